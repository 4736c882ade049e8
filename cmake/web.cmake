# Campus's page of dashboards: its files and uPlot, which tools/uplot/install.sh brings from npm, become part of the program.

set(LOADSTONE_UPLOT ${CMAKE_CURRENT_SOURCE_DIR}/build/.uplot CACHE PATH "a folder with uPlot.js and uPlot.css")
execute_process(COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/tools/uplot/install.sh ${LOADSTONE_UPLOT} RESULT_VARIABLE failed)
if(failed)
    message(FATAL_ERROR "uPlot could not be installed in ${LOADSTONE_UPLOT}: see above; it needs npm and the network once")
endif()
set(web ${CMAKE_CURRENT_SOURCE_DIR}/campus/dashboards/web)
set(files ${web}/dashboards.html ${web}/dashboards.css ${web}/dashboards.js ${web}/positions.js ${LOADSTONE_UPLOT}/uPlot.js
    ${LOADSTONE_UPLOT}/uPlot.css ${LOADSTONE_UPLOT}/LICENSE)
set(embedded ${CMAKE_BINARY_DIR}/gen/campus/dashboards/assets.cc)
add_custom_command(OUTPUT ${embedded}
    COMMAND ${LOADSTONE_PYTHON} ${CMAKE_CURRENT_SOURCE_DIR}/tools/web/embed.py ${embedded} campus::dashboards campus/dashboards/page.h ${files}
    DEPENDS ${files} ${CMAKE_CURRENT_SOURCE_DIR}/tools/web/embed.py
    COMMENT "embed campus/dashboards/web" VERBATIM)
target_sources(campus_dashboards PRIVATE ${embedded})
