# Precompiled headers, each built once: pch.h, for runtime and what lies above it with Asio (which would not link below
# it), for tests with GoogleTest. A .cc file still includes what it uses: the gcc preset compiles without them.

option(LOADSTONE_PCH "precompile external headers" ON)

# loadstone_pch(<target> plain|asio|test|test_asio)
function(loadstone_pch target kind)
    if(LOADSTONE_PCH)
        target_precompile_headers(${target} REUSE_FROM loadstone_pch_${kind})
    endif()
endfunction()

function(loadstone_pch_target kind)
    set(source ${CMAKE_BINARY_DIR}/pch/${kind}.cc)
    file(CONFIGURE OUTPUT ${source} CONTENT "" @ONLY)
    add_library(loadstone_pch_${kind} OBJECT EXCLUDE_FROM_ALL ${source})
    target_link_libraries(loadstone_pch_${kind} PRIVATE
        loadstone_options Boost::headers fmt::fmt tl::expected $<$<BOOL:${LOADSTONE_TESTS}>:GTest::gmock>)
    target_precompile_headers(loadstone_pch_${kind} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/cmake/pch.h ${ARGN})
endfunction()

# loadstone_unoptimised(<target>): what is compiled once and run once; it takes half as long. What it tests is optimised.
function(loadstone_unoptimised target)
    target_compile_options(${target} PRIVATE $<$<CONFIG:Release>:-O0>)
endfunction()

if(LOADSTONE_PCH)
    loadstone_pch_target(plain)
    loadstone_pch_target(asio <boost/asio.hpp>)
    if(LOADSTONE_TESTS)
        loadstone_pch_target(test <gmock/gmock.h> <gtest/gtest.h>)
        loadstone_pch_target(test_asio <boost/asio.hpp> <gmock/gmock.h> <gtest/gtest.h>)
        loadstone_unoptimised(loadstone_pch_test)
        loadstone_unoptimised(loadstone_pch_test_asio)
    endif()
endif()
