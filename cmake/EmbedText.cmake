# Texts of this project as constants of the binary.
#
# perijove_embed_texts(TARGET TEMPLATE file.cpp.in FOLDER folder EXTENSION ext TEXTS name ...)
# adds to TARGET the file that TEMPLATE becomes at build time, with each @name@ in it replaced by
# the bytes of FOLDER/name.ext as elements of a char array: no literal is too long for a compiler,
# and no byte is special. Where FOLDER/name is itself a folder, the text is its files in the order
# of their names.
function(perijove_embed_texts target)
  cmake_parse_arguments(arg "" "TEMPLATE;FOLDER;EXTENSION" "TEXTS" ${ARGN})
  cmake_path(ABSOLUTE_PATH arg_TEMPLATE)
  cmake_path(ABSOLUTE_PATH arg_FOLDER)
  cmake_path(GET arg_TEMPLATE STEM LAST_ONLY name)
  set(output ${CMAKE_CURRENT_BINARY_DIR}/embedded/${name})
  set(files "")
  foreach(text ${arg_TEXTS})
    if(IS_DIRECTORY ${arg_FOLDER}/${text})
      file(GLOB parts CONFIGURE_DEPENDS ${arg_FOLDER}/${text}/*.${arg_EXTENSION})
      list(APPEND files ${parts})
    else()
      list(APPEND files ${arg_FOLDER}/${text}.${arg_EXTENSION})
    endif()
  endforeach()
  add_custom_command(
    OUTPUT ${output}
    COMMAND ${CMAKE_COMMAND} -DTEMPLATE=${arg_TEMPLATE} -DOUTPUT=${output} -DFOLDER=${arg_FOLDER}
            -DEXTENSION=${arg_EXTENSION} "-DTEXTS=${arg_TEXTS}"
            -P ${CMAKE_CURRENT_FUNCTION_LIST_FILE}
    DEPENDS ${arg_TEMPLATE} ${files} ${CMAKE_CURRENT_FUNCTION_LIST_FILE}
    COMMENT "Embedding texts in ${name}"
    VERBATIM)
  target_sources(${target} PRIVATE ${output})
endfunction()

# The build runs this file as a script.
if(CMAKE_SCRIPT_MODE_FILE STREQUAL CMAKE_CURRENT_LIST_FILE)
  foreach(text ${TEXTS})
    if(IS_DIRECTORY ${FOLDER}/${text})
      file(GLOB parts ${FOLDER}/${text}/*.${EXTENSION})
      list(SORT parts)
    else()
      set(parts ${FOLDER}/${text}.${EXTENSION})
    endif()
    set(${text} "")
    foreach(part ${parts})
      file(READ ${part} bytes HEX)
      string(REGEX REPLACE "(..)" "'\\\\x\\1'," bytes "${bytes}")
      string(APPEND ${text} "${bytes}")
    endforeach()
  endforeach()
  configure_file(${TEMPLATE} ${OUTPUT} @ONLY)
endif()
