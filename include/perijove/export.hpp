#pragma once

/// Marks what the shared library offers; everything else in it stays hidden.
#define PERIJOVE_API __attribute__((visibility("default")))
