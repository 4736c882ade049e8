# loadstone_sql(<target> <folder>): generates a header from the .sql files under <folder>, at any depth, for the target to
# include. The folder's path below the project's top is the path of the header and the namespace of its statements:
# campus/accounts/sql/*.sql -> "campus/accounts/sql.h", campus::accounts::sql.

if(NOT LOADSTONE_SQLGEN)
    set(LOADSTONE_SQLGEN ${CMAKE_CURRENT_LIST_DIR}/../tools/sqlgen/sqlgen.py)
endif()
find_program(LOADSTONE_PYTHON NAMES python3 PATHS /usr/bin NO_DEFAULT_PATH)
if(NOT LOADSTONE_PYTHON)
    find_program(LOADSTONE_PYTHON NAMES python3 REQUIRED)
endif()

function(loadstone_sql target folder)
    get_filename_component(folder ${folder} ABSOLUTE)
    file(GLOB_RECURSE files CONFIGURE_DEPENDS ${folder}/*.sql)
    set(owners)
    foreach(file IN LISTS files)
        if(file MATCHES "^(.*)/sql/(migrations/)?[^/]+\\.sql$")
            list(APPEND owners ${CMAKE_MATCH_1})
        endif()
    endforeach()
    list(REMOVE_DUPLICATES owners)
    foreach(owner IN LISTS owners)
        file(RELATIVE_PATH path ${PROJECT_SOURCE_DIR} ${owner})
        set(header ${PROJECT_BINARY_DIR}/gen/${path}/sql.h)
        set(inputs ${files})
        list(FILTER inputs INCLUDE REGEX "^${owner}/sql/")
        add_custom_command(OUTPUT ${header}
            COMMAND ${LOADSTONE_PYTHON} ${LOADSTONE_SQLGEN} --root ${PROJECT_SOURCE_DIR} --folder ${path} --out ${header}
            DEPENDS ${inputs} ${LOADSTONE_SQLGEN}
            COMMENT "sql ${path}"
            VERBATIM)
        target_sources(${target} PRIVATE ${header})
        set_property(GLOBAL APPEND PROPERTY LOADSTONE_GENERATED ${header})
    endforeach()
    if(owners)
        target_include_directories(${target} PRIVATE ${PROJECT_BINARY_DIR}/gen)
    endif()
endfunction()
