# cmake --install: static libraries, public headers, the CMake package and the SQL generator.

include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

get_property(libraries GLOBAL PROPERTY LOADSTONE_LIBRARIES)
set(package ${CMAKE_INSTALL_LIBDIR}/cmake/loadstone)
install(TARGETS loadstone_options ${libraries} EXPORT loadstone-targets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT loadstone-targets NAMESPACE loadstone:: DESTINATION ${package})
install(DIRECTORY loadstone DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING
    PATTERN "*.h"
    PATTERN testing.h EXCLUDE
    PATTERN testing_items.h EXCLUDE
    PATTERN test_server.h EXCLUDE
    PATTERN smtp_fixture.h EXCLUDE
    PATTERN sql EXCLUDE)
configure_package_config_file(cmake/loadstone-config.cmake.in ${CMAKE_BINARY_DIR}/package/loadstone-config.cmake
    INSTALL_DESTINATION ${package})
write_basic_package_version_file(${CMAKE_BINARY_DIR}/package/loadstone-config-version.cmake
    COMPATIBILITY SameMinorVersion)
install(FILES
    ${CMAKE_BINARY_DIR}/package/loadstone-config.cmake
    ${CMAKE_BINARY_DIR}/package/loadstone-config-version.cmake
    cmake/loadstone-sql.cmake
    DESTINATION ${package})
install(DIRECTORY tools/sqlgen/ DESTINATION ${CMAKE_INSTALL_DATADIR}/loadstone USE_SOURCE_PERMISSIONS FILES_MATCHING
    PATTERN "*.py"
    PATTERN "*_test.py" EXCLUDE
    PATTERN "postgres_check.py" EXCLUDE
    PATTERN "__pycache__" EXCLUDE)
if(TARGET campus)
    install(TARGETS campus RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT campus)
endif()
# The column store's program and its library, beside the programs that start it.
install(TARGETS loadstone-duckdb RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(FILES ${LOADSTONE_DUCKDB_LIBRARY} DESTINATION lib/loadstone)
install(FILES ${LOADSTONE_UPLOT}/LICENSE DESTINATION ${CMAKE_INSTALL_DATADIR}/loadstone/licenses RENAME uPlot)
