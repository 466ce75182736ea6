// Tile products that stay in tile registers, bfloat16 and int8.
#include "amx_registers.h"
#include "peak_loop.h"

namespace mobilebert {
namespace {

template <class Products>
void run_on_tiles(std::uint64_t turns) {
  configure_tiles();
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_zero(4);
  _tile_zero(5);
  _tile_zero(6);
  _tile_zero(7);
  for (std::uint64_t turn = 0; turn < turns; ++turn) {
    Products::upper();
    Products::lower();
  }
  _tile_release();
}

// 16 x 16 sums over 64 bytes of depth, in numbers of `bytes`; 4 such products a turn.
template <class Products>
constexpr PeakLoop tile_loop(const char* dtype, int bytes) {
  constexpr int kCyclesOfProduct = 16, kProductsOfTurn = 4;
  const int products = kSums * (kRowBytes / bytes);
  return {"amx", dtype, products / kCyclesOfProduct,
          static_cast<std::uint64_t>(kProductsOfTurn * products), run_on_tiles<Products>};
}

}  // namespace

constexpr PeakLoop kPeakAmxBfloat16 = tile_loop<Bfloat16Products>("bfloat16", 2);
constexpr PeakLoop kPeakAmxInt8 = tile_loop<ByteProducts>("int8", 1);

}  // namespace mobilebert
