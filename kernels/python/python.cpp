#include "python/python.hpp"

namespace perijove::kernels::python {

Ref to_str(std::string_view text) {
  return Ref(PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), "replace"));
}

Ref to_bytes(std::string_view data) {
  return Ref(PyBytes_FromStringAndSize(data.data(), static_cast<Py_ssize_t>(data.size())));
}

std::string to_text(PyObject* object) {
  const Ref bytes = PyUnicode_Check(object)
                        ? Ref(PyUnicode_AsEncodedString(object, "utf-8", "replace"))
                        : Ref::share(object);
  char* data = nullptr;
  Py_ssize_t size = 0;
  if (!bytes || PyBytes_AsStringAndSize(bytes.get(), &data, &size) < 0) return {};
  return {data, static_cast<std::size_t>(size)};
}

Ref to_list(const Buffers& buffers) {
  Ref list(PyList_New(static_cast<Py_ssize_t>(buffers.size())));
  if (!list) return {};
  for (std::size_t i = 0; i < buffers.size(); ++i) {
    Ref bytes = to_bytes({buffers[i].data(), buffers[i].size()});
    if (!bytes) return {};
    PyList_SetItem(list.get(), static_cast<Py_ssize_t>(i), bytes.release());
  }
  return list;
}

bool to_buffers(PyObject* sequence, Buffers& buffers) {
  const Py_ssize_t count = PySequence_Size(sequence);
  for (Py_ssize_t i = 0; i < count; ++i) {
    const Ref item(PySequence_GetItem(sequence, i));
    char* data = nullptr;
    Py_ssize_t size = 0;
    if (!item || PyBytes_AsStringAndSize(item.get(), &data, &size) < 0) return false;
    buffers.emplace_back(data, data + size);
  }
  return count >= 0;
}

Fault take_fault() {
  PyObject* type = nullptr;
  PyObject* value = nullptr;
  PyObject* traceback = nullptr;
  PyErr_Fetch(&type, &value, &traceback);
  PyErr_NormalizeException(&type, &value, &traceback);
  const Ref owned_type(type);
  const Ref owned_value(value);
  const Ref owned_traceback(traceback);
  Fault fault;
  if (const Ref name(PyObject_GetAttrString(type, "__name__")); name)
    fault.type = to_text(name.get());
  if (const Ref text(PyObject_Str(value)); text) fault.message = to_text(text.get());
  PyErr_Clear();  // whatever saying so has raised
  return fault;
}

}  // namespace perijove::kernels::python
