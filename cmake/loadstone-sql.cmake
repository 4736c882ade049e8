# loadstone_sql(<target> <folder>): generates sql.h and sql.cc from the .sql files under <folder>, at any depth, and adds them to
# the target. Every statement is prepared on a scratch SQLite; one that is wrong fails the build at its line. The folder's path
# below the project's top is the path of the header and the namespace of its statements:
# campus/accounts/sql/*.sql -> "campus/accounts/sql.h", campus::accounts::sql.
# Questions to the column store stand in sql/facts and are prepared on a scratch DuckDB:
# campus/accounts/sql/facts/*.sql -> "campus/accounts/facts_sql.h", campus::accounts::facts_sql.

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
    get_filename_component(tool_folder ${LOADSTONE_SQLGEN} DIRECTORY)
    file(GLOB tool CONFIGURE_DEPENDS ${tool_folder}/*.py)
    list(FILTER tool EXCLUDE REGEX "_test\\.py$")
    set(owners)
    foreach(file IN LISTS files)
        if(file MATCHES "^(.*)/sql/(migrations/)?[^/]+\\.sql$")
            list(APPEND owners ${CMAKE_MATCH_1})
        endif()
    endforeach()
    list(REMOVE_DUPLICATES owners)
    foreach(owner IN LISTS owners)
        file(RELATIVE_PATH path ${PROJECT_SOURCE_DIR} ${owner})
        set(out ${PROJECT_BINARY_DIR}/gen/${path})
        set(inputs ${files})
        list(FILTER inputs INCLUDE REGEX "^${owner}/sql/(migrations/)?[^/]+$")
        # What else is read, the migrations of other modules, stands in sql.d.
        add_custom_command(OUTPUT ${out}/sql.h ${out}/sql.cc
            BYPRODUCTS ${out}/sql_all.h ${out}/sql_accesses.h ${out}/sql.json
            COMMAND ${LOADSTONE_PYTHON} -B ${LOADSTONE_SQLGEN} --root ${PROJECT_SOURCE_DIR} --folder ${path} --out ${out}
            DEPENDS ${inputs} ${tool}
            DEPFILE ${out}/sql.d
            COMMENT "sql ${path}"
            VERBATIM)
        target_sources(${target} PRIVATE ${out}/sql.h ${out}/sql.cc)
        set_property(GLOBAL APPEND PROPERTY LOADSTONE_GENERATED ${out}/sql.h)
    endforeach()
    set(asking ${files})
    list(FILTER asking INCLUDE REGEX "/sql/facts/[^/]+$")
    list(TRANSFORM asking REPLACE "/sql/facts/[^/]+$" "")
    list(REMOVE_DUPLICATES asking)
    foreach(owner IN LISTS asking)
        file(RELATIVE_PATH path ${PROJECT_SOURCE_DIR} ${owner})
        set(out ${PROJECT_BINARY_DIR}/gen/${path})
        set(inputs ${files})
        list(FILTER inputs INCLUDE REGEX "^${owner}/sql/facts/[^/]+$")
        add_custom_command(OUTPUT ${out}/facts_sql.h ${out}/facts_sql.cc
            BYPRODUCTS ${out}/facts_sql.json
            COMMAND ${LOADSTONE_PYTHON} -B ${LOADSTONE_SQLGEN} --root ${PROJECT_SOURCE_DIR} --folder ${path} --out ${out}
                --facts ${LOADSTONE_DUCKDB_LIBRARY}
            DEPENDS ${inputs} ${tool} ${LOADSTONE_DUCKDB_LIBRARY}
            COMMENT "questions ${path}"
            VERBATIM)
        target_sources(${target} PRIVATE ${out}/facts_sql.h ${out}/facts_sql.cc)
        set_property(GLOBAL APPEND PROPERTY LOADSTONE_GENERATED ${out}/facts_sql.h)
    endforeach()
    if(owners OR asking)
        target_include_directories(${target} PRIVATE ${PROJECT_BINARY_DIR}/gen)
    endif()
endfunction()
