// Matrices in double precision, multiplied by plain loops.
#pragma once

#include <cstddef>
#include <vector>

namespace {

struct Matrix {
  int height, width;
  std::vector<double> numbers;

  Matrix(int height, int width)
      : height(height), width(width), numbers(static_cast<std::size_t>(height) * width) {}
  Matrix(const std::vector<float>& x, int height, int width)
      : height(height), width(width), numbers(x.begin(), x.end()) {}

  double& at(int row, int column) {
    return numbers[static_cast<std::size_t>(row) * width + column];
  }
  double at(int row, int column) const {
    return numbers[static_cast<std::size_t>(row) * width + column];
  }
};

inline Matrix transposed(const Matrix& a) {
  Matrix to(a.width, a.height);
  for (int i = 0; i < a.height; ++i)
    for (int j = 0; j < a.width; ++j) to.at(j, i) = a.at(i, j);
  return to;
}

inline Matrix product(const Matrix& a, const Matrix& b) {
  Matrix to(a.height, b.width);
  for (int i = 0; i < a.height; ++i)
    for (int k = 0; k < a.width; ++k)
      for (int j = 0; j < b.width; ++j) to.at(i, j) += a.at(i, k) * b.at(k, j);
  return to;
}

// weight x + bias, for rows of x.
inline Matrix projected(const Matrix& x, const Matrix& weight, const std::vector<float>& bias) {
  Matrix to = product(x, transposed(weight));
  for (int i = 0; i < to.height; ++i)
    for (int j = 0; j < to.width; ++j) to.at(i, j) += bias[j];
  return to;
}

// Adds factor * x to rows.
inline Matrix with_scaled(Matrix to, const std::vector<float>& factor, const Matrix& x) {
  for (int i = 0; i < to.height; ++i)
    for (int j = 0; j < to.width; ++j) to.at(i, j) += factor[j] * x.at(i, j);
  return to;
}

// Sums over rows of a, times b where there is one.
inline std::vector<double> row_sums(const Matrix& a, const Matrix* b = nullptr) {
  std::vector<double> sums(a.width);
  for (int i = 0; i < a.height; ++i)
    for (int j = 0; j < a.width; ++j) sums[j] += a.at(i, j) * (b ? b->at(i, j) : 1);
  return sums;
}

// Matrices of one height side by side.
inline Matrix beside(const Matrix& left, const Matrix& right) {
  Matrix to(left.height, left.width + right.width);
  for (int i = 0; i < to.height; ++i)
    for (int j = 0; j < to.width; ++j)
      to.at(i, j) = j < left.width ? left.at(i, j) : right.at(i, j - left.width);
  return to;
}

// Columns [first, end).
inline Matrix columns(const Matrix& a, int first, int end) {
  Matrix to(a.height, end - first);
  for (int i = 0; i < to.height; ++i)
    for (int j = 0; j < to.width; ++j) to.at(i, j) = a.at(i, first + j);
  return to;
}

}  // namespace
