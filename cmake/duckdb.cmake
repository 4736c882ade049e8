# DuckDB: the library of loadstone-duckdb, the program that holds the column store. tools/duckdb/install.sh brings it from npm.

set(LOADSTONE_DUCKDB ${CMAKE_CURRENT_SOURCE_DIR}/build/.duckdb CACHE PATH "a folder with include/duckdb.h and lib/libduckdb.so")
execute_process(COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/tools/duckdb/install.sh ${LOADSTONE_DUCKDB} RESULT_VARIABLE failed)
if(failed)
    message(FATAL_ERROR "DuckDB could not be installed in ${LOADSTONE_DUCKDB}: see above; it needs npm and the network once")
endif()
set(LOADSTONE_DUCKDB_LIBRARY ${LOADSTONE_DUCKDB}/lib/libduckdb.so)  # also of loadstone_sql()
add_library(DuckDB::DuckDB SHARED IMPORTED)
set_target_properties(DuckDB::DuckDB PROPERTIES
    IMPORTED_LOCATION ${LOADSTONE_DUCKDB_LIBRARY}
    INTERFACE_INCLUDE_DIRECTORIES ${LOADSTONE_DUCKDB}/include)

# Beside the programs that start it. Nothing else links DuckDB.
file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/loadstone/analytics/duckdb/*.cc)
add_executable(loadstone-duckdb ${sources})
target_link_libraries(loadstone-duckdb PRIVATE loadstone_options loadstone_analytics DuckDB::DuckDB)
loadstone_pch(loadstone-duckdb asio)
set_target_properties(loadstone-duckdb PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin
    INSTALL_RPATH "$ORIGIN/../lib/loadstone")
