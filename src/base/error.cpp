#include "perijove/result.hpp"

namespace perijove {

// One table, so that a code means the same on the wire, in a shell and in a log. The switch has no
// default: a new code does not compile until it has its row.
struct CodeRow {
  std::string_view name;
  int http_status;
  int exit_code;
};

static CodeRow row(Code code) {
  switch (code) {
    case Code::invalid_argument:
      return {"invalid_argument", 400, 64};
    case Code::not_found:
      return {"not_found", 404, 66};
    case Code::already_exists:
      return {"already_exists", 409, 73};
    case Code::permission_denied:
      return {"permission_denied", 403, 77};
    case Code::resource_exhausted:
      return {"resource_exhausted", 403, 75};  // 403 "Resource Limit", as the field's gateways say
    case Code::failed_precondition:
      return {"failed_precondition", 409, 1};
    case Code::aborted:
      return {"aborted", 409, 1};
    case Code::deadline_exceeded:
      return {"deadline_exceeded", 504, 124};
    case Code::unavailable:
      return {"unavailable", 503, 69};
    case Code::unimplemented:
      return {"unimplemented", 501, 1};
    case Code::data_loss:
      return {"data_loss", 500, 74};
    case Code::internal:
      return {"internal", 500, 70};
  }
  return {"internal", 500, 70};
}

std::string_view to_string(Code code) { return row(code).name; }
int http_status(Code code) { return row(code).http_status; }
int exit_code(Code code) { return row(code).exit_code; }

}  // namespace perijove
