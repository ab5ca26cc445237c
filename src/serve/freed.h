#pragma once

namespace assay::serve {

/// Deleter of what a library in C made: `std::unique_ptr<X509, Freed<X509_free>>`.
template <auto Free>
struct Freed {
  template <typename T>
  void operator()(T* pointer) const {
    Free(pointer);
  }
};

}  // namespace assay::serve
