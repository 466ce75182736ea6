// int8 products on AMX tiles; included by isa_amx.cc behind int8.h and amx_tiles.h.

namespace mobilebert {
namespace {

// A block of up to 32 rows and a panel.
struct ByteBlock {
  int row, rows, panel;
};

template <bool kAdds>
inline void finish_block(const Product& p, const ByteBlock& at, const std::int32_t* sums) {
  const Columns columns(p, at.panel);
  for (int first = 0; first < at.rows; first += kRows16, sums += 2 * kSums) {
    const char* a = static_cast<const char*>(p.a);
    const char* group = a + (at.row + first) / kRows16 * group_bytes(p.depth);
    const float* scales = group_scales(group, p.depth);
    const int rows = at.rows - first < kRows16 ? at.rows - first : kRows16;
    for (int i = 0; i < rows; ++i)
      finish_row<kAdds>(p, columns, _mm512_load_si512(sums + i * kRows16),
                        _mm512_load_si512(sums + kSums + i * kRows16), at.row + first + i,
                        at.panel * kPanel, scales[i], scales[kRows16 + i]);
  }
}

template <bool kAdds>
void multiply_byte_panels(const Product& p) {
  // While the tiles of a block are summed, the one before is finished. Only then are the sums
  // stored: a load waits for an earlier store to an address that is the same modulo 4096.
  alignas(64) std::int32_t sums[4 * kSums];
  const int tiles = deep_tiles(p.depth);
  const std::size_t group = group_bytes(p.depth);
  ByteBlock before{};
  for (int panel = p.first; panel < p.last; ++panel)
    for (int row = 0; row < p.rows; row += 2 * kRows16) {
      const char* a = static_cast<const char*>(p.a) + row / kRows16 * group;
      const ByteBlock now{row, p.rows - row < 2 * kRows16 ? p.rows - row : 2 * kRows16, panel};
      if (now.rows > kRows16)
        sum_block<ByteProducts, true>(a, group, panel_of(p, panel), tiles);
      else
        sum_block<ByteProducts, false>(a, 0, panel_of(p, panel), tiles);
      finish_block<kAdds>(p, before, sums);
      if (now.rows > kRows16)
        store_block<true>(sums);
      else
        store_block<false>(sums);
      before = now;
    }
  finish_block<kAdds>(p, before, sums);
}

void multiply_int8(const Product& p) {
  if (p.residual)
    multiply_byte_panels<true>(p);
  else
    multiply_byte_panels<false>(p);
}

const Arithmetic kInt8{"int8",        1,       kRows16, enter_tiles, leave_tiles, pack_rows_int8,
                       multiply_int8, nullptr, nullptr, nullptr,     nullptr,     kDeep,
                       kRowExtra};

}  // namespace
}  // namespace mobilebert
