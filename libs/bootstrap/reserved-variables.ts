/**
 * Variables by which common runtimes, loaders and tools run code that nobody named: a bootstrap may not set them. Compared without case,
 * as Windows does; `*` stands for any rest. A guard and no boundary: most programs have settings of their own that run code.
 */
const RESERVED: Record<string, string> = {
  "is the agent's own": 'GATEHOUSE_*',
  'decides which programs are found': 'PATH PATHEXT COMSPEC SYSTEMROOT WINDIR',
  'is no name that programs can read': '__proto__',
  'loads code into programs': [
    // Loaders of glibc, musl, macOS, AIX, HP-UX and IRIX, and what glibc loads or writes by name
    'LD_* DYLD_* LDR_* LIBPATH SHLIB_PATH _RLD* GCONV_PATH GETCONF_DIR LOCPATH NLSPATH GLIBC_TUNABLES MALLOC_TRACE',
    // Shells
    'BASH_ENV BASH_FUNC_* BASHOPTS SHELLOPTS ENV IFS CDPATH FPATH ZDOTDIR GLOBIGNORE PROMPT_COMMAND PS0 PS1 PS2 PS4',
    // JavaScript
    'NODE_OPTIONS NODE_PATH NODE_REPL_EXTERNAL_MODULE ELECTRON_RUN_AS_NODE BUN_OPTIONS NPM_CONFIG_*',
    // Python, Perl, Ruby, PHP, Lua, Tcl, R, Julia, Guile
    'PYTHON* PERL5* PERLLIB PERLIO_DEBUG RUBY* GEM_HOME GEM_PATH BUNDLE_* PHPRC PHP_INI_SCAN_DIR LUA_* TCLLIBPATH',
    'R_PROFILE* R_ENVIRON* R_LIBS* JULIA_LOAD_PATH JULIA_DEPOT_PATH JULIA_PROJECT GUILE_LOAD_*',
    // Java
    'JAVA_TOOL_OPTIONS JDK_JAVA_OPTIONS _JAVA_OPTIONS IBM_JAVA_OPTIONS OPENJ9_JAVA_OPTIONS CLASSPATH',
    // .NET
    'DOTNET_STARTUP_HOOKS DOTNET_ADDITIONAL_DEPS DOTNET_SHARED_STORE DOTNET_ROOT* DOTNET_HOST_PATH',
    'CORECLR_* COR_ENABLE_PROFILING COR_PROFILER* MONO_PATH MONO_CONFIG MONO_ENV_OPTIONS',
    // Erlang and Elixir
    'ERL_FLAGS ERL_AFLAGS ERL_ZFLAGS ERL_LIBS ELIXIR_ERL_OPTIONS',
    // Libraries with modules
    'OPENSSL_CONF OPENSSL_ENGINES OPENSSL_MODULES KRB5_CONFIG GTK_MODULES GTK_PATH GTK_EXE_PREFIX GIO_EXTRA_MODULES GIO_MODULE_DIR',
    'GDK_PIXBUF_MODULE_FILE GST_PLUGIN_* GST_REGISTRY* QT_PLUGIN_PATH QML_IMPORT_PATH QML2_IMPORT_PATH ODBCSYSINI',
    // Tools that run other programs
    'GIT_* SSH_ASKPASS SUDO_ASKPASS EDITOR VISUAL PAGER MANPAGER BROWSER LESSOPEN LESSCLOSE VIMINIT EXINIT',
  ].join(' '),
};

const exact = new Map<string, string>();
const prefixes: [prefix: string, why: string][] = [];
for (const [why, names] of Object.entries(RESERVED)) {
  for (const name of names.toUpperCase().split(' ')) {
    if (name.endsWith('*')) prefixes.push([name.slice(0, -1), why]);
    else exact.set(name, why);
  }
}

/** Why a bootstrap may not set this variable; undefined when it may. */
export function reservedBecause(name: string): string | undefined {
  const upper = name.toUpperCase();
  return exact.get(upper) ?? prefixes.find(([prefix]) => upper.startsWith(prefix))?.[1];
}
