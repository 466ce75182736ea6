// How a thread rounds during a call: as the system starts programs, whatever its caller has set.
#pragma once

#include <cfenv>

namespace mobilebert {

// To the nearest, with numbers below 2**-126, and nothing trapped; until it goes out of scope. A
// thread starts with what is set where it is made, so that those of a pool would differ from later
// callers, and results with the number of threads.
class DefaultRounding {
 public:
  DefaultRounding() {
    std::fegetenv(&found_);
    std::fesetenv(FE_DFL_ENV);
  }
  ~DefaultRounding() { std::fesetenv(&found_); }
  DefaultRounding(const DefaultRounding&) = delete;
  DefaultRounding& operator=(const DefaultRounding&) = delete;

 private:
  std::fenv_t found_;
};

}  // namespace mobilebert
