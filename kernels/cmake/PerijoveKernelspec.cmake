# perijove_kernelspec(NAME TARGET DISPLAY_NAME LANGUAGE [INTERRUPT_MODE message|signal]
#                     [TRANSPORT tcp] [LIVE_FORK] [FOR_TESTS] [DEBUGGER] [FORK_SERVER argument...])
# Writes the kernelspec NAME of an executable target twice: for the installed binary, installed to
# share/jupyter/kernels, and for the one in the build tree, below <build>/share/jupyter, which can
# be put into JUPYTER_PATH. LIVE_FORK: it answers perijove_fork_request. FOR_TESTS: nobody's language, so
# that `perijove kernelspec install` leaves it out unless it is named. DEBUGGER: front ends may offer
# one. FORK_SERVER: with these
# arguments it is a server that forks kernels on request; `{socket}` stands for the number of the
# socket that they come by.
function(perijove_kernelspec name)
  cmake_parse_arguments(arg "LIVE_FORK;FOR_TESTS;DEBUGGER" "TARGET;DISPLAY_NAME;LANGUAGE;INTERRUPT_MODE;TRANSPORT" "FORK_SERVER"
                        ${ARGN})
  set(DISPLAY_NAME "${arg_DISPLAY_NAME}")
  set(LANGUAGE ${arg_LANGUAGE})
  set(INTERRUPT_MODE message)
  if(arg_INTERRUPT_MODE)
    set(INTERRUPT_MODE ${arg_INTERRUPT_MODE})
  endif()
  # Outputs wait for whoever reads them slowly (see common/publisher.hpp).
  set(settings [["slow_subscriber": "wait"]])
  if(arg_TRANSPORT)
    string(APPEND settings ", \"transport\": \"${arg_TRANSPORT}\"")
  endif()
  if(arg_LIVE_FORK)
    string(APPEND settings [[, "fork": "live"]])
  endif()
  if(arg_FOR_TESTS)
    string(APPEND settings [[, "for_tests": true]])
  endif()
  if(arg_FORK_SERVER)
    list(JOIN arg_FORK_SERVER [[", "]] words)
    string(APPEND settings ", \"fork_server\": [\"{program}\", \"${words}\"]")
  endif()
  set(for_all "")
  if(arg_DEBUGGER)
    set(for_all [["debugger": true, ]])
  endif()
  set(METADATA "{${for_all}\"perijove\": {${settings}}}")
  set(share ${PROJECT_SOURCE_DIR}/share)

  # When it is installed, and not now, it is known where: cmake --install --prefix.
  set(EXECUTABLE "@EXECUTABLE@")
  set(for_install ${CMAKE_CURRENT_BINARY_DIR}/kernelspecs/${name})
  configure_file(${share}/kernel.json.in ${for_install}/kernel.json.in @ONLY)
  install(CODE "
    set(EXECUTABLE \"${CMAKE_INSTALL_BINDIR}/$<TARGET_FILE_NAME:${arg_TARGET}>\")
    cmake_path(ABSOLUTE_PATH EXECUTABLE BASE_DIRECTORY \"\${CMAKE_INSTALL_PREFIX}\")
    configure_file(\"${for_install}/kernel.json.in\" \"${for_install}/kernel.json\" @ONLY)")
  install(FILES ${for_install}/kernel.json ${share}/logo-32x32.png ${share}/logo-64x64.png
          DESTINATION ${CMAKE_INSTALL_DATADIR}/jupyter/kernels/${name})

  set(EXECUTABLE $<TARGET_FILE:${arg_TARGET}>)
  set(here ${CMAKE_BINARY_DIR}/share/jupyter/kernels/${name})
  configure_file(${share}/kernel.json.in ${for_install}/build-tree.json.in @ONLY)
  file(GENERATE OUTPUT ${here}/kernel.json INPUT ${for_install}/build-tree.json.in)
  configure_file(${share}/logo-32x32.png ${here}/logo-32x32.png COPYONLY)
  configure_file(${share}/logo-64x64.png ${here}/logo-64x64.png COPYONLY)
endfunction()
