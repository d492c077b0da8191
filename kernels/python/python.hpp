#pragma once

// Python.h must come first of all headers.
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <string>
#include <string_view>
#include <utility>

#include "common/wire.hpp"

/// The little of CPython that the kernel's C++ side needs, within the limited API
/// (Py_LIMITED_API 0x03080000), so that one binary serves every CPython from 3.8 on.
namespace perijove::kernels::python {

/// Holds the interpreter lock. Threads: any; waits for the lock.
class Gil {
 public:
  Gil() noexcept : state_(PyGILState_Ensure()) {}
  ~Gil() { PyGILState_Release(state_); }
  Gil(const Gil&) = delete;
  Gil& operator=(const Gil&) = delete;

 private:
  PyGILState_STATE state_;
};

/// Gives the interpreter lock up, which the thread must hold, and takes it again at the end.
class WithoutGil {
 public:
  WithoutGil() noexcept : thread_(PyEval_SaveThread()) {}
  ~WithoutGil() { PyEval_RestoreThread(thread_); }
  WithoutGil(const WithoutGil&) = delete;
  WithoutGil& operator=(const WithoutGil&) = delete;

 private:
  PyThreadState* thread_;
};

/// Owns a reference, or none. The lock must be held whenever one of these ends.
class Ref {
 public:
  Ref() = default;
  explicit Ref(PyObject* owned) noexcept : object_(owned) {}
  Ref(Ref&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  Ref& operator=(Ref&& other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~Ref() { Py_XDECREF(object_); }

  static Ref share(PyObject* borrowed) noexcept {
    Py_XINCREF(borrowed);
    return Ref(borrowed);
  }

  PyObject* get() const noexcept { return object_; }
  PyObject* release() noexcept { return std::exchange(object_, nullptr); }
  explicit operator bool() const noexcept { return object_ != nullptr; }

 private:
  PyObject* object_ = nullptr;
};

/// A str of this text; bytes that are not UTF-8 become U+FFFD.
Ref to_str(std::string_view text);

/// A bytes object.
Ref to_bytes(std::string_view data);

/// The bytes of a bytes object, or the UTF-8 of a str, whose lone surrogates become '?'. For
/// anything else an empty string, with TypeError set.
std::string to_text(PyObject* object);

/// A list of bytes objects.
Ref to_list(const Buffers& buffers);

/// nullopt-like: an empty result with an exception set unless this is a sequence of bytes objects.
bool to_buffers(PyObject* sequence, Buffers& buffers);

/// What a Python exception says: its type and its message.
struct Fault {
  std::string type;
  std::string message;
};

/// Takes the exception that is set.
Fault take_fault();

}  // namespace perijove::kernels::python
