// What one thread does in a call: the folded program, read from top to bottom.
#pragma once

#include <algorithm>

#include "ranges.h"
#include "steps.h"

namespace mobilebert {

// One thread's work in a call.
class Worker : private Steps {
 public:
  Worker(const Encoder& encoder, const Call& call, Workspace& space, Barrier& barrier, int index,
         int size)
      : Steps(encoder.kernels_, barrier, index, size, size > 1 && call.tokens < kFewRows * size),
        p_(encoder.program_),
        arithmetic_(*p_.arithmetic),
        inside_(*p_.inside),
        row_unit_(std::max({arithmetic_.row_unit, p_.streamed->row_unit, inside_.row_unit})),
        call_(call),
        space_(space),
        states_(space.states),
        rows_(by_columns_ ? Range{0, call.tokens}
                          : share_of(call.tokens, row_unit_, index, size)),
        scratch_(space.scratch[by_columns_ ? 0 : index].get()),
        last_(&space.states) {}

  void run() {
    arithmetic_.enter();
    inside_.enter();
    for_blocks([&](Range block) { embed(block); });
    keep_state(0);
    const int layers = static_cast<int>(p_.layers.size());
    if (layers)
      for_blocks([&](Range block) {
        if (block.first > rows_.first) meet();  // others may still read what a block shares
        project(p_.layers[0], 0, block);
      });
    for (int number = 0; number < layers; ++number) {
      barrier_.wait();  // keys and values of all rows are there
      const Layer& layer = p_.layers[number];
      if (number + 1 == layers && !space_.needed.empty()) {
        finish_needed(layer, number % 2);
        break;
      }
      // Half of a layer's weights stay in the second cache while all blocks pass.
      for_blocks([&](Range block) {
        attend_texts(block, [&](int text, Range part) {
          attend(layer, text, number % 2, part, part.first - block.first);
        });
        feed_forward(layer, block, narrow(), states_);
      });
      for_blocks([&](Range block) {
        leave(layer, block, states_);
        if (number + 1 < layers) project(p_.layers[number + 1], (number + 1) % 2, block);
      });
      keep_state(number + 1);
    }
    barrier_.wait();
    by_columns_ = size_ > 1;
    heads();
    inside_.leave();
    arithmetic_.leave();
  }

 private:
  template <class F>
  void for_blocks(F f) {
    // Whole tiles where rows can be cut there.
    const int unit = inside_.tile_rows % row_unit_ ? row_unit_ : inside_.tile_rows;
    const int longest = kBlock / unit * unit, blocks = (rows_.size() + longest - 1) / longest;
    for (int block = 0; block < blocks; ++block) {
      const Range part = share_of(rows_.size(), unit, block, blocks);
      fetches_ = block == 0;
      if (part.size()) f(Range{rows_.first + part.first, rows_.first + part.end});
    }
  }

  // The residual inside a layer: the bottleneck's output, or the stream where there is none.
  const Rows& narrow() const {
    return p_.layers[0].input_bottleneck ? states_.narrow : states_.stream;
  }

  void keep_state(int number) {
    if (!call_.states) return;
    const Range mine = by_columns_ ? share(call_.tokens, index_, size_) : rows_;
    const std::size_t state = static_cast<std::size_t>(call_.tokens) * p_.stream;
    const std::size_t first = static_cast<std::size_t>(mine.first) * p_.stream;
    std::copy_n(states_.stream.exact(mine.first), static_cast<std::size_t>(mine.size()) * p_.stream,
                call_.states + number * state + first);
  }

  void word(std::int32_t id, float* to) const {
    const int width = p_.embedding.width;
    if (id < 0)
      std::fill_n(to, width, 0.0f);
    else
      std::copy_n(p_.embedding.words + static_cast<std::size_t>(id) * width, width, to);
  }

  void embed(Range block) {
    const Embedding& e = p_.embedding;
    const Range mine = my(block.size());
    const Rows& input = scratch_->input;
    for (int i = mine.first; i < mine.end; ++i) {
      const int row = block.first + i;
      const float* position =
          e.position_rows + static_cast<std::size_t>(call_.positions[row]) * p_.stream;
      const float* type = e.type_rows + static_cast<std::size_t>(call_.types[row]) * p_.stream;
      if (!e.transformation) {
        float* h = states_.stream.exact(row);
        word(call_.ids[row], h);
        for (int j = 0; j < e.width; ++j) h[j] += position[j] + type[j];
        std::fill_n(h + e.width, p_.stream - e.width, 0.0f);
        continue;
      }
      float* x = input.exact(i);
      if (e.trigram) {
        word(call_.following[row], x);
        word(call_.ids[row], x + e.width);
        word(call_.previous[row], x + 2 * e.width);
      } else {
        word(call_.ids[row], x);
      }
      float* placed = scratch_->placed.floats() + static_cast<std::size_t>(i) * p_.stream;
      for (int j = 0; j < p_.stream; ++j) placed[j] = position[j] + type[j];
    }
    if (e.transformation) {
      pack(input, mine, *e.transformation.arithmetic);
      meet();
      linear(e.transformation, input.packed(), block.size(), both(states_.stream, block.first),
             scratch_->placed.floats(), p_.stream);
    } else {
      complete(e.norm, p_.stream_width, p_.stream, block.size(), both(states_.stream, block.first));
    }
  }

  static void pack(const Rows& rows, Range part, const Arithmetic& arithmetic) {
    if (rows.packed() != reinterpret_cast<char*>(rows.exact()))
      arithmetic.pack(rows.exact(part.first), rows.width(), part.size(), rows.width(),
                      rows.packed(), part.first);
  }

  std::size_t heads_width(const Layer& layer) const {
    return static_cast<std::size_t>(layer.heads) * p_.head;
  }

  // From the stream to the bottlenecks, queries, keys and values of a layer.
  void project(const Layer& layer, int parity, Range block) {
    const int rows = block.size();
    const void* h = states_.stream.packed(block.first);
    const void* queried = h;  // what queries and keys read
    const void* valued = h;
    if (layer.input_bottleneck) {
      Target x = both(states_.narrow, block.first);
      if (layer.reads != Reads::kBottleneck) {
        x.packed = nullptr;
        x.own = true;  // the residual of what attention leaves
      }
      linear(layer.input_bottleneck, h, rows, x);
    }
    if (layer.reads == Reads::kBottleneck) {
      queried = valued = states_.narrow.packed(block.first);
    } else if (layer.reads == Reads::kSharedBottleneck) {
      linear(layer.attention_bottleneck, h, rows, only_packed(scratch_->shared));
      queried = scratch_->shared.packed();
    }
    Target queries = only_exact(query(block.first), p_.heads_width);
    Target projected = only_exact(scratch_->projected.exact(), heads_width(layer));
    // Threads that split columns into panels of a head each work on the same heads all along.
    queries.own = projected.own = p_.head == kPanel;
    linear(layer.query, queried, rows, queries);
    linear(layer.key, queried, rows, projected);
    pack_heads(layer, block, arithmetic_.pack_keys, space_.keys[parity]);
    if (!projected.own) meet();
    linear(layer.value, valued, rows, projected);
    pack_heads(layer, block, arithmetic_.pack_values, space_.values[parity]);
  }

  // Rows have the same place in every layer, however many heads it has: while some rows are in the
  // next layer already, others are still to be read.
  float* query(int row) const {
    return space_.query.floats() + static_cast<std::size_t>(row) * p_.heads_width;
  }

  // Puts projected keys or values of a block where attention finds them.
  void pack_heads(const Layer& layer, Range block, decltype(Arithmetic::pack_keys) pack,
                  const Buffer& packed) {
    const std::size_t width = heads_width(layer);
    for_texts(block, [&](int text, Range part) {
      const Range heads = my(layer.heads);
      for (int head = heads.first; head < heads.end; ++head)
        pack(scratch_->projected.exact() + (part.first - block.first) * width + head * p_.head,
             width, part.size(), p_.head, length(text), of_head(packed, width, text, head),
             part.first - call_.starts[text]);
    });
  }

  int length(int text) const { return call_.starts[text + 1] - call_.starts[text]; }

  // Packed keys or values of a text and head.
  void* of_head(const Buffer& packed, std::size_t width, int text, int head) const {
    const std::size_t numbers = space_.key_starts[text] * width +
                                static_cast<std::size_t>(head) * p_.head * padded(length(text));
    return packed.data() + numbers * arithmetic_.element;
  }

  int text_of(int row) const {
    const std::int32_t* starts = call_.starts;
    return static_cast<int>(std::upper_bound(starts, starts + call_.texts + 1, row) - starts - 1);
  }

  // Calls f(text, rows) for the texts that have rows in the block.
  template <class F>
  void for_texts(Range block, F f) {
    const std::int32_t* starts = call_.starts;
    for (int text = text_of(block.first); text < call_.texts && starts[text] < block.end; ++text)
      f(text, Range{std::max(block.first, starts[text]), std::min(block.end, starts[text + 1])});
  }

  template <class F>
  void attend_texts(Range block, F f) {
    for_texts(block, f);
    meet();
  }

  // From attention, whose rows are in `context`, to the last network of a layer.
  void feed_forward(const Layer& layer, Range block, const Rows& residual, const States& to) {
    const int rows = block.size(), first = block.first;
    const Scratch& scratch = *scratch_;
    if (&inside_ != &arithmetic_) {
      const int width = layer.attention_output.in;
      Target context = both(scratch.context);
      context.stride = width;
      complete(Norm{}, width, width, rows, context);
    }
    const Rows& y = to.narrow;
    linear(layer.attention_output, scratch.context.packed(), rows, both(y, first),
           residual.exact(first), residual.width());
    for (const FeedForward& network : layer.feed_forward) {
      linear(network.inner, y.packed(first), rows, only_packed(scratch.inner), nullptr, 0,
             p_.activation);
      const bool last = &network == &layer.feed_forward.back();
      const Rows& next = !last ? y : layer.output_bottleneck ? to.leaving() : to.stream;
      linear(network.outer, scratch.inner.packed(), rows, both(next, first), y.exact(first),
             y.width());
    }
  }

  // Back to the stream.
  void leave(const Layer& layer, Range block, const States& rows) {
    if (layer.output_bottleneck)
      linear(layer.output_bottleneck, rows.leaving().packed(block.first), block.size(),
             both(rows.stream, block.first), rows.stream.exact(block.first), p_.stream);
  }

  // The last layer, for those rows only that a head reads.
  void finish_needed(const Layer& layer, int parity) {
    const std::vector<int>& needed = space_.needed;
    const int count = static_cast<int>(needed.size());
    by_columns_ = size_ > 1 && count < kFewRows * size_;
    scratch_ = space_.scratch[by_columns_ ? 0 : index_].get();
    rows_ = by_columns_ ? Range{0, count} : share_of(count, row_unit_, index_, size_);
    last_ = &space_.last;
    const bool narrows = static_cast<bool>(p_.layers[0].input_bottleneck);
    for_blocks([&](Range block) {
      const Range mine = my(block.size());
      for (int i = block.first + mine.first; i < block.first + mine.end; ++i) {
        std::copy_n(states_.stream.exact(needed[i]), p_.stream, last_->stream.exact(i));
        if (narrows)
          std::copy_n(states_.narrow.exact(needed[i]), p_.narrow, last_->narrow.exact(i));
      }
      for (int i = block.first, end; i < block.end; i = end) {
        const int text = text_of(needed[i]), last = call_.starts[text + 1];
        for (end = i + 1; end < block.end && needed[end] == needed[end - 1] + 1; ++end)
          if (needed[end] == last) break;
        attend(layer, text, parity, {needed[i], needed[end - 1] + 1}, i - block.first);
      }
      meet();
      feed_forward(layer, block, narrows ? last_->narrow : last_->stream, *last_);
      leave(layer, block, *last_);
    });
  }

  // Where the encoder's last state of a row is.
  const float* final_state(int row) const {
    if (last_ == &states_) return last_->stream.exact(row);
    const auto at = std::lower_bound(space_.needed.begin(), space_.needed.end(), row);
    return last_->stream.exact(static_cast<int>(at - space_.needed.begin()));
  }

  // Some queries of a text, with all heads; the result goes to row `row` of the block's context.
  void attend(const Layer& layer, int text, int parity, Range queries, int row) {
    const Range heads = my(layer.heads);
    for (int head = heads.first; head < heads.end; ++head)
      attend(layer, text, head, parity, queries, row);
  }

  void attend(const Layer& layer, int text, int head, int parity, Range queries, int row) {
    const std::size_t width = heads_width(layer);
    Attention attention{};
    attention.query = query(queries.first) + head * p_.head;
    attention.query_stride = p_.heads_width;
    attention.rows = queries.size();
    attention.head = p_.head;
    attention.keys = of_head(space_.keys[parity], width, text, head);
    attention.values = of_head(space_.values[parity], width, text, head);
    attention.length = length(text);
    attention.scratch = space_.attention[index_]->data();
    attention.context = scratch_->context.packed();
    attention.exact = &inside_ == &arithmetic_ ? nullptr : scratch_->context.exact();
    attention.first_row = row;
    attention.first_column = head * p_.head;
    attention.width = static_cast<int>(width);
    arithmetic_.attend(attention);
  }

  // Heads: all threads share every stage. Pooler and projection are float32.
  void heads() {
    const Range mine = my(call_.tokens);
    if (call_.stream)
      std::copy_n(states_.stream.exact(mine.first),
                  static_cast<std::size_t>(mine.size()) * p_.stream,
                  call_.stream + static_cast<std::size_t>(mine.first) * p_.stream);
    const float* pooled = pool();
    if (p_.vocabulary && call_.wanted) score_vocabulary();
    if (p_.projection && call_.projection)
      linear(p_.projection, p_.pools ? pooled : states_.stream.exact(),
             p_.pools ? call_.texts : call_.tokens,
             only_exact(call_.projection, p_.projection.out));
  }

  const float* pool() {
    if (!p_.pools && !call_.pooled) return nullptr;
    float* first = space_.pooled.floats();
    float* result = first + static_cast<std::size_t>(call_.texts) * p_.stream;
    const Range texts = my(call_.texts);
    for (int text = texts.first; text < texts.end; ++text)
      std::copy_n(final_state(call_.starts[text]), p_.stream,
                  first + static_cast<std::size_t>(text) * p_.stream);
    meet();
    if (p_.pooler) {
      linear(p_.pooler, first, call_.texts, only_exact(result, p_.stream));
      kernels_.tanh(result + static_cast<std::size_t>(texts.first) * p_.stream, p_.stream,
                    texts.size(), p_.stream);
      meet();
    } else {
      result = first;
    }
    if (call_.pooled)
      std::copy_n(result + static_cast<std::size_t>(texts.first) * p_.stream,
                  static_cast<std::size_t>(texts.size()) * p_.stream,
                  call_.pooled + static_cast<std::size_t>(texts.first) * p_.stream);
    return result;
  }

  void score_vocabulary() {
    const Rows& chosen = space_.chosen;
    for (int first = 0; first < call_.wanted; first += kBlock) {
      const int rows = std::min(kBlock, call_.wanted - first);
      const Range mine = my(rows);
      for (int i = mine.first; i < mine.end; ++i)
        std::copy_n(final_state(call_.wanted_rows[first + i]), p_.stream, chosen.exact(i));
      pack(chosen, mine, *p_.transform.arithmetic);
      meet();
      linear(p_.transform, chosen.packed(), rows, both(space_.transformed), nullptr, 0,
             p_.activation);
      linear(p_.vocabulary, space_.transformed.packed(), rows,
             only_exact(call_.vocabulary + static_cast<std::size_t>(first) * p_.vocabulary.out,
                        p_.vocabulary.out));
    }
  }

  const Program& p_;
  const Arithmetic &arithmetic_, &inside_;
  const int row_unit_;
  const Call& call_;
  Workspace& space_;
  const States& states_;
  Range rows_;
  Scratch* scratch_;
  const States* last_;  // where the last layer's are: of all rows, or of those needed
};

}  // namespace mobilebert
