#include "threads.h"

#include <unistd.h>

#include <stdexcept>
#include <string>
#include <system_error>

#if defined(MOBILEBERT_X86)
#include <immintrin.h>
#endif

namespace mobilebert {
namespace {

// How often a waiting thread looks before it lets others run: some 20 microseconds.
constexpr int kSpins = 500;

inline void pause() {
#if defined(MOBILEBERT_X86)
  _mm_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

template <class Done>
void spin_until(Done done) {
  for (int spins = 0; !done(); ++spins) {
    if (spins < kSpins)
      pause();
    else
      std::this_thread::yield();
  }
}

}  // namespace

void Barrier::wait() {
  if (size_ == 1) return;
  const unsigned turn = turn_.load(std::memory_order_relaxed);
  if (arrived_.fetch_add(1, std::memory_order_acq_rel) == size_ - 1) {
    arrived_.store(0, std::memory_order_relaxed);
    turn_.store(turn + 1, std::memory_order_release);
  } else {
    spin_until([&] { return turn_.load(std::memory_order_acquire) != turn; });
  }
}

Pool::Pool(int size) : size_(size), process_(getpid()), parking_(new Parking) {
  threads_.reserve(size);
  try {
    while (static_cast<int>(threads_.size()) < size - 1)
      threads_.emplace_back(
          [this, index = static_cast<int>(threads_.size()) + 1] { serve(index); });
  } catch (const std::system_error&) {
    stop();
    throw std::runtime_error("The system gives no more than " +
                             std::to_string(threads_.size() + 1) + " of " + std::to_string(size) +
                             " threads; use fewer.");
  } catch (...) {
    stop();
    throw;
  }
}

bool Pool::forked() const { return getpid() != process_; }

Pool::~Pool() {
  if (forked()) {
    // Their threads are not there, and what names them may name others by now.
    new std::vector<std::thread>(std::move(threads_));
    parking_.release();  // destroying it would wait for them
    return;
  }
  stop();
}

void Pool::stop() {
  {
    std::lock_guard<std::mutex> lock(parking_->mutex);
    stopping_ = true;
  }
  parking_->wake.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void Pool::run(const std::function<void(int, int)>& function) {
  if (size_ == 1 || forked()) {
    function(0, 1);
    return;
  }
  std::unique_lock<std::mutex> mine(in_use_, std::try_to_lock);
  if (!mine.owns_lock()) {
    function(0, 1);
    return;
  }
  {
    std::lock_guard<std::mutex> lock(parking_->mutex);
    function_ = &function;
    running_.store(size_ - 1, std::memory_order_relaxed);
    turn_.fetch_add(1, std::memory_order_release);
  }
  parking_->wake.notify_all();
  function(0, size_);
  spin_until([&] { return running_.load(std::memory_order_acquire) == 0; });
}

void Pool::serve(int index) {
  unsigned seen = 0;
  for (;;) {
    for (int spins = 0; spins < kSpins && turn_.load(std::memory_order_acquire) == seen; ++spins)
      pause();
    const std::function<void(int, int)>* function;
    {
      std::unique_lock<std::mutex> lock(parking_->mutex);
      parking_->wake.wait(lock, [&] { return stopping_ || turn_.load() != seen; });
      if (stopping_) return;
      seen = turn_.load();
      function = function_;
    }
    (*function)(index, size_);
    running_.fetch_sub(1, std::memory_order_release);
  }
}

}  // namespace mobilebert
