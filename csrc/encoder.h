// The folded program (engine/program.py) and what runs it.
//
// Dimensions: T tokens of all texts together, H the stream, K the width inside a layer, F the inner
// width of a feed-forward network, N heads of D numbers, V the vocabulary. All widths in memory are
// padded to 32 with zeros; true widths are kept only where they matter.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "arena.h"
#include "kernels.h"
#include "threads.h"

namespace mobilebert {

struct Norm {
  const float* weight = nullptr;
  const float* bias = nullptr;
  float eps = 0;
};

// norm(weight x + bias + scale * residual).
struct Linear {
  int in = 0, out = 0;  // padded
  int width = 0;        // true width of what comes out
  const Arithmetic* arithmetic = nullptr;
  const void* weight = nullptr;  // packed for the arithmetic
  const float* column_scale = nullptr;  // of integers, as for `Product`
  const float* column_sum = nullptr;
  const float* bias = nullptr;
  const float* scale = nullptr;  // null: no residual
  Norm norm;                     // weight null: none
  const Linear* next = nullptr;  // the step after this one, within the encoder

  explicit operator bool() const { return weight != nullptr; }
  std::size_t panel_bytes() const {
    return (arithmetic->row_bytes(in) - arithmetic->row_extra) * kPanel;
  }
};

struct FeedForward {
  Linear inner, outer;
};

// What attention reads, in a layer with bottleneck.
enum class Reads { kSharedBottleneck, kBottleneck, kStream };

struct Layer {
  int heads = 0;
  Reads reads = Reads::kStream;
  Linear input_bottleneck, attention_bottleneck;  // empty where there is none
  Linear query, key, value, attention_output;
  std::vector<FeedForward> feed_forward;
  Linear output_bottleneck;  // empty without bottleneck
};

struct Embedding {
  int vocabulary = 0, positions = 0, types = 0;  // rows of the tables
  int width = 0;                                 // of a word, not padded
  bool trigram = true;
  const float* words = nullptr;           // [V][width]
  const float* position_rows = nullptr;   // [positions][H]
  const float* type_rows = nullptr;       // [types][H]
  Linear transformation;                  // empty where words are as wide as the stream
  Norm norm;                              // of a model without transformation
};

struct Program {
  int stream = 0;      // H, padded
  int stream_width = 0;
  int narrow = 0;      // K, padded
  int inner = 0;       // F, padded
  int head = 0;        // D, padded
  int heads_width = 0;  // N * D of the layer with most heads; the encoder finds it
  Activation activation = Activation::kRelu;
  const Arithmetic* arithmetic = nullptr;  // of attention, embedding and vocabulary
  const Arithmetic* streamed = nullptr;    // of a layer's products that read or write the stream
  const Arithmetic* inside = nullptr;      // of those between: from a bottleneck or attention,
                                           // to the last feed-forward network
  Embedding embedding;
  std::vector<Layer> layers;
  bool pools = false;   // whether the projection reads the pooled first position
  Linear pooler;        // before tanh; empty where the first position is taken as it is
  Linear transform, vocabulary, projection;  // empty where the task has none
};

// The texts of a call, one behind the other, and where its results go (null: not wanted). Results
// have rows of padded width.
struct Call {
  int tokens = 0, texts = 0, wanted = 0;
  const std::int32_t *ids = nullptr, *positions = nullptr, *types = nullptr;
  const std::int32_t *following = nullptr, *previous = nullptr;  // -1: zeros
  const std::int32_t* starts = nullptr;                          // [texts + 1]
  const std::int32_t* wanted_rows = nullptr;                     // for the vocabulary, [wanted]
  float* stream = nullptr;                  // [tokens][H], the last state
  float* states = nullptr;                  // [layers + 1][tokens][H]
  float* pooled = nullptr;                  // [texts][H]
  float* vocabulary = nullptr;              // [wanted][V]
  float* projection = nullptr;              // [texts or tokens][width]
};

struct Workspace;

class Encoder {
 public:
  // `mapped`: the layers' weights are read-only pages of a file.
  Encoder(Program program, const Kernels& kernels, int threads, bool mapped = false);
  ~Encoder();

  // Safe to call from several threads at once.
  void run(const Call& call);

  const Kernels& kernels() const { return kernels_; }
  int threads() const { return pool_.size(); }
  // Rows that the last layer computed, in the call that began last.
  int last_layer_rows() const { return last_layer_rows_; }
  const Program& program() const { return program_; }

 private:
  friend class Worker;
  void gather_weights(bool mapped);
  bool locked(std::unique_lock<std::mutex>& lock) const;
  std::unique_ptr<Workspace> take_workspace();
  void give_back(std::unique_ptr<Workspace> workspace);

  Program program_;
  Arena weights_;
  const Kernels& kernels_;
  Pool pool_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Workspace>> idle_;
  std::atomic<int> last_layer_rows_{0};
};

}  // namespace mobilebert
