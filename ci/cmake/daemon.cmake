# The runtime, the library and the daemon: everything that is not the core.
ms_folder(kv_rocks src/kv_rocks)
ms_folder(rt src/rt)
ms_folder(cli src/cli)
