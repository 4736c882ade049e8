# Tests of the tools, the house rules over the tree, public headers one by one, the installed package.

# headers_alone: each public header of loadstone/ and campus/ compiles by itself, without the precompiled ones: an empty
# unit each. Those in internal/ have known users, whose own builds compile them.
file(GLOB_RECURSE headers CONFIGURE_DEPENDS RELATIVE ${CMAKE_CURRENT_SOURCE_DIR}
    ${CMAKE_CURRENT_SOURCE_DIR}/loadstone/*.h ${CMAKE_CURRENT_SOURCE_DIR}/campus/*.h)
list(FILTER headers EXCLUDE REGEX /internal/)

# includes_asio(<header> <result>): whether it includes awaitable.hpp, itself or by another of ours.
function(includes_asio header result)
    get_property(known GLOBAL PROPERTY "includes_asio ${header}" SET)
    if(NOT known)
        set(found FALSE)
        set_property(GLOBAL PROPERTY "includes_asio ${header}" FALSE)  # also ends a ring
        file(STRINGS ${header} lines REGEX "^#include [<\"](boost/asio/awaitable|loadstone/|campus/)")
        foreach(line IN LISTS lines)
            string(REGEX REPLACE "^#include [<\"]([^>\"]+).*" "\\1" included "${line}")
            if(included MATCHES "^boost/asio/awaitable")
                set(found TRUE)
            elseif(EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${included} AND NOT found)
                includes_asio(${included} found)
            endif()
        endforeach()
        set_property(GLOBAL PROPERTY "includes_asio ${header}" ${found})
    endif()
    get_property(found GLOBAL PROPERTY "includes_asio ${header}")
    set(${result} ${found} PARENT_SCOPE)
endfunction()

set(units_plain)
set(units_asio)
foreach(header IN LISTS headers)
    set(unit ${CMAKE_BINARY_DIR}/headers_alone/${header}.cc)
    file(CONFIGURE OUTPUT ${unit} CONTENT "#include \"@header@\"\n" @ONLY)
    includes_asio(${header} asio)
    if(asio)
        list(APPEND units_asio ${unit})
    else()
        list(APPEND units_plain ${unit})
    endif()
endforeach()
if(headers)
    # Modules' own headers may include their generated SQL.
    get_property(generated GLOBAL PROPERTY LOADSTONE_GENERATED)
    add_custom_target(sql_headers DEPENDS ${generated})
    add_custom_target(headers_alone)
    foreach(kind plain asio)
        add_library(headers_alone_${kind} OBJECT EXCLUDE_FROM_ALL ${units_${kind}})
        # Not the libraries: their sources need not be compiled for this.
        target_link_libraries(headers_alone_${kind} PRIVATE DuckDB::DuckDB
            loadstone_options Boost::headers fmt::fmt tl::expected PostgreSQL::PostgreSQL)
        target_compile_options(headers_alone_${kind} PRIVATE -O0 -g0)
        target_include_directories(headers_alone_${kind} PRIVATE ${PROJECT_BINARY_DIR}/gen)
        add_dependencies(headers_alone_${kind} sql_headers)
        add_dependencies(headers_alone headers_alone_${kind})
    endforeach()
    # What each of these includes anyway, and most of their time.
    target_precompile_headers(headers_alone_asio PRIVATE <boost/asio/awaitable.hpp>)
endif()

# What a file must find before it can be looked at by itself, as clang-tidy does.
get_property(generated GLOBAL PROPERTY LOADSTONE_GENERATED)
add_custom_target(lint_inputs DEPENDS ${generated})
foreach(kind plain asio test test_asio)
    if(TARGET loadstone_pch_${kind})
        add_dependencies(lint_inputs loadstone_pch_${kind})
    endif()
endforeach()

# The house rules hold in every build, not only where tests run: a file that breaks one fails it.
file(GLOB_RECURSE ruled CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/loadstone/* ${CMAKE_CURRENT_SOURCE_DIR}/campus/*
    ${CMAKE_CURRENT_SOURCE_DIR}/tests/*.cc ${CMAKE_CURRENT_SOURCE_DIR}/tests/*.h ${CMAKE_CURRENT_SOURCE_DIR}/tools/tidy/*.py)
add_custom_command(OUTPUT ${CMAKE_BINARY_DIR}/tidy.stamp
    COMMAND ${LOADSTONE_PYTHON} -B ${CMAKE_CURRENT_SOURCE_DIR}/tools/tidy/tidy.py ${CMAKE_CURRENT_SOURCE_DIR}
    COMMAND ${CMAKE_COMMAND} -E touch ${CMAKE_BINARY_DIR}/tidy.stamp
    DEPENDS ${ruled} COMMENT "House rules" VERBATIM)
add_custom_target(house_rules ALL DEPENDS ${CMAKE_BINARY_DIR}/tidy.stamp)

if(NOT LOADSTONE_TESTS)
    return()
endif()

function(loadstone_python_test name label)
    add_test(NAME ${name} COMMAND ${LOADSTONE_PYTHON} -B ${ARGN})
    set_tests_properties(${name} PROPERTIES LABELS ${label} TIMEOUT 60)
endfunction()

set(tools ${CMAKE_CURRENT_SOURCE_DIR}/tools)
loadstone_python_test(sqlgen_test tidy ${tools}/sqlgen/sqlgen_test.py)
loadstone_python_test(sqlgen_typed_test tidy ${tools}/sqlgen/typed_test.py)
loadstone_python_test(sqlgen_parameters_test tidy ${tools}/sqlgen/parameters_test.py)
loadstone_python_test(sqlgen_pages_test tidy ${tools}/sqlgen/pages_test.py)
loadstone_python_test(sqlgen_accesses_test tidy ${tools}/sqlgen/accesses_test.py)
loadstone_python_test(sqlgen_facts_test tidy ${tools}/sqlgen/facts_test.py)
set_tests_properties(sqlgen_facts_test PROPERTIES ENVIRONMENT "LOADSTONE_DUCKDB_LIBRARY=${LOADSTONE_DUCKDB_LIBRARY}")
loadstone_python_test(tidy_test tidy ${tools}/tidy/tidy_test.py)
loadstone_python_test(tidy tidy ${tools}/tidy/tidy.py ${CMAKE_CURRENT_SOURCE_DIR})
# Tests that compile give way to those that run beside them, whose servers hash passwords in the background (cpu.in_background).
set(give_way chrt --idle 0)
if(headers)
    add_test(NAME headers_alone COMMAND ${give_way} ${CMAKE_COMMAND} --build ${CMAKE_BINARY_DIR} --target headers_alone)
    set_tests_properties(headers_alone PROPERTIES LABELS tidy TIMEOUT 900 PROCESSORS 2)
endif()

# Examples are part of the tree and, each by itself, users of the installed package. In the tree, find_package(loadstone)
# finds this stub: the targets exist already.
file(WRITE ${CMAKE_BINARY_DIR}/in_tree/loadstone-config.cmake "set(loadstone_FOUND TRUE)\n")
set(loadstone_DIR ${CMAKE_BINARY_DIR}/in_tree)
file(GLOB examples CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/examples/*/CMakeLists.txt)
foreach(example IN LISTS examples)
    get_filename_component(folder ${example} DIRECTORY)
    get_filename_component(name ${folder} NAME)
    add_subdirectory(${folder} ${CMAKE_BINARY_DIR}/examples/${name})
    add_test(NAME install.${name} COMMAND ${give_way} ${CMAKE_COMMAND}
        -D BUILD=${CMAKE_BINARY_DIR} -D EXAMPLE=${folder} -D WORK=${CMAKE_BINARY_DIR}/install_test/${name}
        -D COMPILER=${CMAKE_CXX_COMPILER} -D "LAUNCHER=${CMAKE_CXX_COMPILER_LAUNCHER}" -D "SANITIZE=${LOADSTONE_SANITIZE}"
        -P ${CMAKE_CURRENT_SOURCE_DIR}/cmake/install_test.cmake)
    set_tests_properties(install.${name} PROPERTIES LABELS install TIMEOUT 900 PROCESSORS 2)
endforeach()

# The application that bench/load measures, and whose counted costs tests/gates holds to bench/baselines.
add_subdirectory(bench/load/app ${CMAKE_BINARY_DIR}/bench_app)
set_target_properties(bench_app PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
add_dependencies(benches bench_app)
add_executable(floor EXCLUDE_FROM_ALL bench/floor/main.cc)
target_link_libraries(floor PRIVATE loadstone_options PostgreSQL::PostgreSQL SQLite::SQLite3)
set_target_properties(floor PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
add_dependencies(benches floor)
add_executable(cache_traces EXCLUDE_FROM_ALL bench/traces/main.cc)
target_link_libraries(cache_traces PRIVATE loadstone_cache)
set_target_properties(cache_traces PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
add_dependencies(benches cache_traces)
add_executable(arrivals EXCLUDE_FROM_ALL bench/arrivals/main.cc)
target_link_libraries(arrivals PRIVATE loadstone_net)
set_target_properties(arrivals PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
add_dependencies(benches arrivals)
# The costs are those of the program that we ship: optimised, by the compiler of the baseline.
if(CMAKE_BUILD_TYPE STREQUAL "Release" AND CMAKE_CXX_COMPILER_ID STREQUAL "Clang" AND NOT LOADSTONE_SANITIZE)
    loadstone_python_test(gates_test gates ${CMAKE_CURRENT_SOURCE_DIR}/tests/gates/gates_test.py $<TARGET_FILE:bench_app>)
    set_tests_properties(gates_test PROPERTIES TIMEOUT 300 RUN_SERIAL ON)
endif()
