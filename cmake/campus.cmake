# Campus: one library per module, one program.

set(campus ${CMAKE_CURRENT_SOURCE_DIR}/campus)
loadstone_folders(modules ${campus} ${campus}/*.cc ${campus}/*.h)
set(libraries ${modules})
list(TRANSFORM libraries PREPEND campus_)

# Which modules use which is declared in their module.cc and checked by tools/tidy; the linker takes them as one group.
if(libraries)
    list(JOIN libraries "," group)
    set(campus_modules "$<LINK_GROUP:RESCAN,${group}>")
endif()

loadstone_present(framework module)
loadstone_present(server server)

foreach(module IN LISTS modules)
    set(folder ${campus}/${module})
    loadstone_library(campus_${module} ${folder} asio)
    target_link_libraries(campus_${module} PUBLIC ${framework} PRIVATE PkgConfig::libargon2 PkgConfig::libsodium)
    file(GLOB_RECURSE tests CONFIGURE_DEPENDS ${folder}/*_test.cc)
    loadstone_gtest(campus_${module}_test unit SOURCES ${tests} LINK ${campus_modules})
endforeach()

file(GLOB sources CONFIGURE_DEPENDS ${campus}/*.cc)
if(sources)
    add_executable(campus ${sources})
    target_link_libraries(campus PRIVATE loadstone_options ${campus_modules} ${server})
    loadstone_pch(campus asio)
    set_target_properties(campus PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
    add_dependencies(campus loadstone-duckdb)  # which it starts for the column store
endif()
