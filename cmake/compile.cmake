# How every file of the project is compiled. What users of the installed package need too is on loadstone_options.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

# NDEBUG is for the headers of others; LOADSTONE_ASSERT is always on.
set(CMAKE_CXX_FLAGS_DEBUG "-O0 -g" CACHE STRING "" FORCE)
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1 -DNDEBUG" CACHE STRING "" FORCE)

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
    # Without these, ccache does not keep what was compiled with a precompiled header.
    set(CMAKE_CXX_COMPILER_LAUNCHER env
        CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime ${CCACHE_PROGRAM})
endif()
find_program(MOLD_PROGRAM mold)
if(MOLD_PROGRAM)
    add_link_options(-fuse-ld=mold)
endif()
add_link_options(-Wl,--as-needed)

add_library(loadstone_options INTERFACE)
add_library(loadstone::options ALIAS loadstone_options)
set_target_properties(loadstone_options PROPERTIES EXPORT_NAME options)
target_compile_features(loadstone_options INTERFACE cxx_std_20)
target_include_directories(loadstone_options INTERFACE
    $<BUILD_INTERFACE:${CMAKE_CURRENT_SOURCE_DIR}>
    $<BUILD_INTERFACE:${CMAKE_CURRENT_BINARY_DIR}/gen>
    $<INSTALL_INTERFACE:include>)
# Asio and Beast are compiled once, in runtime/internal/asio_impl.cc and net/internal/beast_impl.cc.
target_compile_definitions(loadstone_options INTERFACE
    BOOST_ASIO_SEPARATE_COMPILATION
    BOOST_ASIO_NO_DEPRECATED
    BOOST_BEAST_SEPARATE_COMPILATION
    BOOST_BEAST_USE_STD_STRING_VIEW)

# Directory-wide, so that it binds this tree and nobody who links to it.
add_compile_options(
    -Wall -Wextra -Wpedantic -Werror
    -Wshadow -Wconversion -Wno-sign-conversion
    -Wold-style-cast -Wcast-align -Wformat=2
    -Wnon-virtual-dtor -Woverloaded-virtual -Wextra-semi -Wimplicit-fallthrough -Wundef
    -fstack-protector-strong)
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    add_compile_options(
        -Wunreachable-code -Wloop-analysis -Wrange-loop-analysis -Wthread-safety -Wcomma
        -Wno-missing-designated-field-initializers
        -fcolor-diagnostics
        "SHELL:-Xclang -fno-pch-timestamp")
else()
    # The last two: GCC 12 takes a coroutine's own operator delete, and the variant of a moved value, for what they are not.
    add_compile_options(-Wno-missing-field-initializers -fdiagnostics-color=always
        -Wno-mismatched-new-delete -Wno-maybe-uninitialized)
endif()

set(LOADSTONE_SANITIZE "" CACHE STRING "sanitizers, e.g. address,undefined or thread")
if(LOADSTONE_SANITIZE)
    add_compile_options(-fsanitize=${LOADSTONE_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    add_link_options(-fsanitize=${LOADSTONE_SANITIZE})
endif()
