// Threads that run one function together, and park when there is nothing to do.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace mobilebert {

// Lets threads wait for each other, again and again. They spin: the waits are microseconds.
class Barrier {
 public:
  explicit Barrier(int size) : size_(size) {}
  void wait();

 private:
  const int size_;
  std::atomic<int> arrived_{0};
  std::atomic<unsigned> turn_{0};
};

class Pool {
 public:
  // `size` threads in all, the caller's among them.
  explicit Pool(int size);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  int size() const { return size_; }
  // Whether this process was forked from the one that made the pool.
  bool forked() const;

  // Runs function(index, threads) on every thread and returns when all are done. While another
  // call is running, the caller does its work alone: function(0, 1). So it does in a process that
  // was forked: only the thread that forked lives on there.
  void run(const std::function<void(int, int)>& function);

 private:
  void serve(int index);
  void stop();

  const int size_;
  const long process_;
  std::mutex in_use_;
  // Where parked threads wait.
  struct Parking {
    std::mutex mutex;
    std::condition_variable wake;
  };
  std::unique_ptr<Parking> parking_;
  const std::function<void(int, int)>* function_ = nullptr;
  std::atomic<unsigned> turn_{0};
  std::atomic<int> running_{0};
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace mobilebert
