// int8 products on AMX tiles; included by isa_amx.cc behind int8.h, with the tile configuration of
// its bfloat16 products: 16 rows of 64 bytes.

namespace mobilebert {
namespace {

constexpr int kSums8 = kGroup * kGroup;  // numbers of a tile of sums

// Sums a panel's 32 columns in the tiles 0 to 3: rows 0-15 left and right, rows 16-31 left and right.
// With `kTall` false only the first 16 rows.
template <bool kTall>
inline void sum_bytes(const char* a, std::size_t a_tall, const char* b, int tiles) {
  _tile_zero(0);
  _tile_zero(1);
  if (kTall) {
    _tile_zero(2);
    _tile_zero(3);
  }
  for (int tile = 0; tile < tiles; ++tile) {
    const char* left = a + tile * kTile8;
    const char* right = b + tile * 2 * kTile8;
    _tile_loadd(4, left, kDeep);
    _tile_loadd(6, right, kDeep);
    _tile_loadd(7, right + kTile8, kDeep);
    _tile_dpbusd(0, 4, 6);
    _tile_dpbusd(1, 4, 7);
    if (kTall) {
      _tile_loadd(5, left + a_tall, kDeep);
      _tile_dpbusd(2, 5, 6);
      _tile_dpbusd(3, 5, 7);
    }
  }
}

// A block of up to 32 rows and a panel.
struct ByteBlock {
  int row, rows, panel;
};

template <bool kAdds>
inline void finish_block(const Product& p, const ByteBlock& at, const std::int32_t* sums) {
  const Columns columns(p, at.panel);
  for (int first = 0; first < at.rows; first += kGroup, sums += 2 * kSums8) {
    const char* a = static_cast<const char*>(p.a);
    const char* group = a + (at.row + first) / kGroup * group_bytes(p.depth);
    const float* scales = group_scales(group, p.depth);
    const int rows = at.rows - first < kGroup ? at.rows - first : kGroup;
    for (int i = 0; i < rows; ++i)
      finish_row<kAdds>(p, columns, _mm512_load_si512(sums + i * kGroup),
                        _mm512_load_si512(sums + kSums8 + i * kGroup), at.row + first + i,
                        at.panel * kPanel, scales[i], scales[kGroup + i]);
  }
}

template <bool kAdds>
void multiply_byte_panels(const Product& p) {
  // While the tiles of a block are summed, the one before is finished. Only then are the sums
  // stored: a load waits for an earlier store to an address that is the same modulo 4096.
  alignas(64) std::int32_t sums[4 * kSums8];
  const int tiles = deep_tiles(p.depth);
  const std::size_t group = group_bytes(p.depth);
  ByteBlock before{};
  for (int panel = p.first; panel < p.last; ++panel)
    for (int row = 0; row < p.rows; row += 2 * kGroup) {
      const char* a = static_cast<const char*>(p.a) + row / kGroup * group;
      const ByteBlock now{row, p.rows - row < 2 * kGroup ? p.rows - row : 2 * kGroup, panel};
      if (now.rows > kGroup)
        sum_bytes<true>(a, group, panel_of(p, panel), tiles);
      else
        sum_bytes<false>(a, 0, panel_of(p, panel), tiles);
      finish_block<kAdds>(p, before, sums);
      _tile_stored(0, sums, kDeep);
      _tile_stored(1, sums + kSums8, kDeep);
      if (now.rows > kGroup) {
        _tile_stored(2, sums + 2 * kSums8, kDeep);
        _tile_stored(3, sums + 3 * kSums8, kDeep);
      }
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

const Arithmetic kInt8{"int8",        1,       kGroup,  enter_tiles, leave_tiles, pack_rows_int8,
                       multiply_int8, nullptr, nullptr, nullptr,     nullptr,     kDeep,
                       kRowExtra};

}  // namespace
}  // namespace mobilebert
