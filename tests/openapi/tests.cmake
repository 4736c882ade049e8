# The npm linter comes with ./dev setup test.
add_test(NAME openapi COMMAND ${LOADSTONE_PYTHON} -B ${CMAKE_CURRENT_LIST_DIR}/openapi_test.py)
set_tests_properties(openapi PROPERTIES LABELS process TIMEOUT 300
    ENVIRONMENT "LOADSTONE_BUILD_DIR=${PROJECT_BINARY_DIR}")
