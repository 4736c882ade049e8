#pragma once
// A shelf of books that are lent: what docs/guides/data_access.md shows.

#include "loadstone/base/id.h"
#include "loadstone/module/module.h"

namespace shelf {

struct BookTag {};
using BookId = loadstone::Id<BookTag>;

loadstone::Module module();

}  // namespace shelf
