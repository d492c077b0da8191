#pragma once

#include <memory>
#include <string>

#include "executor/code_session.hpp"
#include "faces/v1/pieces.hpp"

namespace perijove::v1 {

/// A tar of the files and directories below `path` (empty: the work directory), with gzip around it
/// if `zip`. Files are opened when their turn comes: what has gone by then is left out, and what
/// shrinks meanwhile is filled up with NUL bytes. Links and other things that are no files are left
/// out. Keeps the session. Errors: those of WorkDir::list.
Result<PieceSource> archive_of(const std::shared_ptr<CodeSession>& session, const std::string& path,
                               bool zip);

}  // namespace perijove::v1
