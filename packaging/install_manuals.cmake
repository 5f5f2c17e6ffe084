# Installs of ${manuals_build_directory}/{man,completions} what belongs to the package
# ${manuals_component}: a page or completion belongs to the program that it is named
# after, and what is named after none of the others is the console's.
set(of_agent "^_?(dragnet-(agent|link|worker)|agent\\.toml)([-.]|$)")
set(of_scheduler "^_?(dragnet-scheduler|scheduler\\.toml)([-.]|$)")

function(install_manual file destination)
  get_filename_component(name ${file} NAME)
  set(owner console)
  foreach(component agent scheduler)
    if(name MATCHES "${of_${component}}")
      set(owner ${component})
    endif()
  endforeach()
  if(owner STREQUAL manuals_component)
    file(INSTALL ${file} DESTINATION "${CMAKE_INSTALL_PREFIX}/${destination}")
  endif()
endfunction()

foreach(section 1 5 8)
  file(GLOB pages ${manuals_build_directory}/man/*.${section})
  foreach(page ${pages})
    install_manual(${page} share/man/man${section})
  endforeach()
endforeach()
foreach(shell_and_place
    "bash share/bash-completion/completions" "zsh share/zsh/vendor-completions"
    "fish share/fish/vendor_completions.d")
  string(REPLACE " " ";" shell_and_place ${shell_and_place})
  list(GET shell_and_place 0 shell)
  list(GET shell_and_place 1 place)
  file(GLOB completions ${manuals_build_directory}/completions/${shell}/*)
  foreach(completion ${completions})
    install_manual(${completion} ${place})
  endforeach()
endforeach()
