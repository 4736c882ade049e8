# What spans libraries: tests/<folder> and bench/micro.

get_property(libraries GLOBAL PROPERTY LOADSTONE_LIBRARIES)
set(tests ${CMAKE_CURRENT_SOURCE_DIR}/tests)

# tests/support is a library for the others; tests/fuzz is built with LOADSTONE_FUZZ; tests/gates stands in tools.cmake.
loadstone_folders(folders ${tests} ${tests}/*.cc ${tests}/*.h ${tests}/*_test.py)
if(LOADSTONE_TESTS AND "support" IN_LIST folders)
    loadstone_library(tests_support ${tests}/support asio)
    target_link_libraries(tests_support PUBLIC ${libraries} ${campus_modules} GTest::gmock)
    file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${tests}/support/*_test.cc)
    loadstone_gtest(support_test unit SOURCES ${sources} LINK tests_support)
endif()
list(REMOVE_ITEM folders support fuzz gates)

foreach(folder IN LISTS folders)
    file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${tests}/${folder}/*.cc)
    set(own ${sources})
    list(FILTER own INCLUDE REGEX "_test\\.cc$")
    if(LOADSTONE_TESTS AND own)
        set(link loadstone_options ${libraries} ${campus_modules})
        if(TARGET tests_support)
            list(PREPEND link tests_support)
        endif()
        loadstone_gtest(${folder}_test ${folder} SOURCES ${sources} LINK ${link} TIMEOUT 300)
        loadstone_sql(${folder}_test ${tests}/${folder})
        # Conformance is of libraries; the other folders run the program.
        if(TARGET campus AND NOT folder STREQUAL "conformance")
            add_dependencies(${folder}_test campus)
        endif()
    endif()
    file(GLOB_RECURSE scripts CONFIGURE_DEPENDS RELATIVE ${tests} ${tests}/${folder}/*_test.py)
    if(LOADSTONE_TESTS AND EXISTS ${tests}/${folder}/tests.cmake)
        include(${tests}/${folder}/tests.cmake)  # lists its scripts itself
        continue()
    endif()
    foreach(script IN LISTS scripts)
        if(LOADSTONE_TESTS)
            # Alone: they load the machine, and measure.
            add_test(NAME ${script} COMMAND ${LOADSTONE_PYTHON} -B ${tests}/${script})
            set_tests_properties(${script} PROPERTIES LABELS ${folder} TIMEOUT 900 RUN_SERIAL ON
                ENVIRONMENT "LOADSTONE_SOURCE_DIR=${PROJECT_SOURCE_DIR};LOADSTONE_BUILD_DIR=${PROJECT_BINARY_DIR}")
        endif()
    endforeach()
endforeach()

file(GLOB_RECURSE fuzzers CONFIGURE_DEPENDS ${tests}/fuzz/*_fuzz.cc)
loadstone_fuzzers(SOURCES ${fuzzers} LINK ${libraries})
file(GLOB_RECURSE benches CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/bench/micro/*_bench.cc)
loadstone_benchmark(micro_bench SOURCES ${benches} LINK ${libraries})
