#!/bin/sh
# Installs the Gatehouse agent @VERSION@ from @ENDPOINT@ and enrols this machine.
#
#   sh install.sh --key-file FILE [--name NAME] [--hardware-id ID|machine] [--endpoint URL] [--prefix DIR] [--run]
#     [--trust-fingerprint KEY] [--credential certificate]
#
# Needs node >= 20.19 and the coreutils. The provisioning key comes from a file or, with `--key-file -`, from standard
# input; it is never an argument. It waits in the state file (0600) and is removed by the agent after the exchange.
# Root with systemd gets a service; otherwise the last lines say how to run the agent, and --run runs it at once.
# Running it again updates the program and keeps the enrolment.
#
#   sh install.sh --service NAME --key-file FILE [--user USER] [--trust-fingerprint KEY] [...] -- COMMAND ARGS...
#
# makes an instance instead: the service gatehouse-NAME, whose COMMAND starts only with a valid key. The key is kept in
# /etc/gatehouse/NAME.key (0600) and handed to the agent by systemd.
# --credential certificate: claim a client certificate; --endpoint is then the DEVICE_TLS_PORT of the server, and the program
# comes from @ENDPOINT@ all the same.
# PREFIX or --prefix: where to install. Default: /usr/local as root, ~/.local otherwise.
# Behind a proxy: set HTTPS_PROXY; for the service put it into /etc/default/gatehouse-agent.
set -eu

fail() {
  code=$1
  shift
  printf 'install: %s\n' "$*" >&2
  exit "$code"
}

check_node() {
  command -v node >/dev/null 2>&1 || fail 78 'node is not installed; Gatehouse needs node 20.19 or newer'
  node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' ||
    fail 78 "node $(node -p process.version) is too old; Gatehouse needs node 20.19 or newer"
}

# Downloads the bundle and puts it in place only when its hash is the one this script was made for.
download() {
  url=$1/agent/gatehouse-agent.mjs
  target=$2
  fetched=
  # Older node does not fetch through a proxy by itself.
  if [ -n "${HTTPS_PROXY:-${https_proxy:-}}" ] && command -v curl >/dev/null 2>&1; then
    fetched=$target.download
    curl -fsSL -o "$fetched" "$url" || fail 69 "$url cannot be downloaded"
  fi
  NODE_USE_ENV_PROXY=1 node -e '
    const fs = require("fs");
    const [url, target, want, fetched] = process.argv.slice(1);
    const load = async () => {
      if (fetched) return fs.readFileSync(fetched);
      const answer = await fetch(url);
      if (answer.ok) return Buffer.from(await answer.arrayBuffer());
      throw new Error("the server answered " + answer.status);
    };
    load().then((bytes) => {
      const have = require("crypto").createHash("sha256").update(bytes).digest("hex");
      if (have !== want) throw new Error("its SHA-256 is " + have + ", expected " + want + "; fetch install.sh again");
      fs.writeFileSync(target + ".new", bytes, { mode: 0o755 });
      fs.renameSync(target + ".new", target);
    }).catch((error) => {
      console.error("install: " + url + ": " + ((error.cause && error.cause.message) || error.message));
      process.exitCode = 69;
    }).finally(() => fetched && fs.unlinkSync(fetched));
  ' -- "$url" "$target" '@SHA256@' "$fetched"
}

# Puts the settings of the first run into the state file: temp file, fsync, rename, mode 0600. An enrolment there is kept.
configure() {
  node -e '
    const fs = require("fs");
    const [file, endpoint, name, hardwareId, keyFile, trustFingerprint, credential, keptKey] = process.argv.slice(1);
    const fail = (code, text) => { console.error("install: " + text); process.exit(code); };
    let config = {};
    try {
      config = JSON.parse(fs.readFileSync(file, "utf8").replace(/^\uFEFF|\0/g, "").trim() || "{}");
    } catch (error) {
      if (error.code !== "ENOENT") fail(78, file + " cannot be used: " + (error.code || "it is not valid JSON"));
    }
    // As the agent writes it, where it had a session.
    const siteOf = (id) => {
      try {
        const { newtId, siteId, niceId, name } = JSON.parse(fs.readFileSync(file.replace(/\.json$/, "") + ".status.json", "utf8"));
        if (newtId === id && siteId) return name && name !== niceId ? `${name} (${niceId}, site ${siteId})` : `${niceId} (site ${siteId})`;
      } catch {}
      return "site " + id;
    };
    const same = (a, b) => a.replace(/\/+$/, "") === b.replace(/\/+$/, "");
    if (config.id && config.secret) {
      if (!same(config.endpoint || endpoint, endpoint)) fail(78, "this machine is enrolled with " + config.endpoint + "; remove " + file + " to enrol it anew");
      console.log("This machine is already " + siteOf(config.id) + (keyFile || keptKey ? "; the provisioning key was not used." : "."));
      process.exit(0);
    }
    let key = "";
    try {
      if (keyFile) key = fs.readFileSync(keyFile === "-" ? 0 : keyFile, "utf8").trim();
    } catch (error) {
      fail(66, "the provisioning key cannot be read: " + error.message);
    }
    if (keyFile && !key) fail(66, "there is no provisioning key in " + (keyFile === "-" ? "the standard input" : keyFile));
    Object.assign(config, { endpoint }, name && { name }, hardwareId && { hardwareId }, key && { provisioningKey: key }, trustFingerprint && { trustFingerprint }, credential && { credential });
    try {
      const out = fs.openSync(file + ".new", "w", 0o600);
      fs.fchmodSync(out, 0o600);
      fs.writeSync(out, JSON.stringify(config, null, 2));
      fs.fsyncSync(out);
      fs.closeSync(out);
      fs.renameSync(file + ".new", file);
    } catch (error) {
      fail(73, file + " cannot be written: " + error.message);
    }
    if (!config.provisioningKey && !keptKey) console.log("No provisioning key was given: run this again with --key-file to enrol.");
  ' -- "$@"
}

# A command with the state file's place built in, for people and for the service.
write_command() {
  cat >"$1" <<COMMAND
#!/bin/sh
# Runs the Gatehouse agent with its state in $3
node='$(node -p process.execPath)'
[ -x "\$node" ] || node=node
CONFIG_FILE="\${CONFIG_FILE:-$3/config.json}"
export CONFIG_FILE
exec "\$node" '$2' "\$@"
COMMAND
  chmod 755 "$1"
}

# Root is kept, for the hardware's own id, but without a single capability and with everything but the state read-only.
write_service() {
  cat >/etc/systemd/system/gatehouse-agent.service <<SERVICE
[Unit]
Description=Gatehouse agent
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
ExecStart=$1
ExecReload=/bin/kill -HUP \$MAINPID
EnvironmentFile=-/etc/default/gatehouse-agent
Restart=always
RestartSec=10
RestartPreventExitStatus=64 73 77 78
StateDirectory=gatehouse-agent
StateDirectoryMode=0700
RuntimeDirectory=gatehouse-agent
ReadWritePaths=$2
UMask=0077
CapabilityBoundingSet=
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=read-only
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectControlGroups=yes
ProtectClock=yes
PrivateTmp=yes
PrivateDevices=yes
RestrictSUIDSGID=yes
RestrictRealtime=yes
RestrictNamespaces=yes
LockPersonality=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK

[Install]
WantedBy=multi-user.target
SERVICE
  systemctl daemon-reload
  systemctl enable gatehouse-agent
  systemctl restart gatehouse-agent
}

# Keeps the key of an instance where systemd loads it from: temp file, fsync, rename, mode 0600.
keep_key() {
  node -e '
    const fs = require("fs");
    const [file, keyFile] = process.argv.slice(1);
    const fail = (code, text) => { console.error("install: " + text); process.exit(code); };
    let key = "";
    try {
      key = fs.readFileSync(keyFile === "-" ? 0 : keyFile, "utf8").trim();
    } catch (error) {
      fail(66, "the provisioning key cannot be read: " + error.message);
    }
    if (!key) fail(66, "there is no provisioning key in " + (keyFile === "-" ? "the standard input" : keyFile));
    try {
      fs.rmSync(file + ".new", { force: true });
      const out = fs.openSync(file + ".new", "wx", 0o600);
      fs.writeSync(out, key + "\n");
      fs.fsyncSync(out);
      fs.closeSync(out);
      fs.renameSync(file + ".new", file);
    } catch (error) {
      fail(73, file + " cannot be written: " + error.message);
    }
  ' -- "$@"
}

# The unit of an instance. The command is quoted as systemd.syntax(7) and systemd.service(5) say: it arrives as it was given.
write_instance() {
  node -e '
    const fs = require("fs");
    const path = require("path");
    const [unit, service, agent, state, user, keyFile, ...command] = process.argv.slice(1);
    if (command[0].includes("/")) command[0] = path.resolve(command[0]);
    const escape = (text) => text.replace(/[\\"]/g, "\\$&").replace(/%/g, "%%").replace(/\$/g, "$$$$");
    const word = (text) =>
      "\"" + escape(text).replace(/[\x00-\x1f\x7f]/g, (c) => "\\x" + c.charCodeAt(0).toString(16).padStart(2, "0")) + "\"";
    const start = [
      word(process.execPath), word(agent), "run", "--config-file", word(state + "/config.json"),
      ...(keyFile ? ["--provisioning-key-file", "\"${CREDENTIALS_DIRECTORY}/provisioning-key\""] : []),
      ...(user ? ["--user", word(user)] : []),
      "--", ...command.map(word),
    ];
    fs.writeFileSync(unit + ".new", `[Unit]
Description=${service.replace(/%/g, "%%")}, an instance that Gatehouse lets start
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart=${start.join(" ")}
ExecReload=/bin/kill -HUP $MAINPID
EnvironmentFile=-/etc/default/gatehouse-${service}
${keyFile ? "LoadCredential=provisioning-key:" + keyFile.replace(/%/g, "%%") + "\n" : ""}Restart=on-failure
RestartSec=10
RestartPreventExitStatus=64 65 73 77 78
SuccessExitStatus=143
KillMode=mixed
TimeoutStopSec=5min
StateDirectory=gatehouse-${service}
StateDirectoryMode=0700
RuntimeDirectory=gatehouse-${service}
RuntimeDirectoryMode=0755
ReadWritePaths=${word(state)}
${user ? "CapabilityBoundingSet=CAP_SETUID CAP_SETGID CAP_KILL CAP_CHOWN CAP_DAC_READ_SEARCH\n" : ""}NoNewPrivileges=yes
ProtectSystem=full
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
PrivateTmp=yes
RestrictSUIDSGID=yes
RestrictRealtime=yes
LockPersonality=yes

[Install]
WantedBy=multi-user.target
`, { mode: 0o644 });
    fs.renameSync(unit + ".new", unit);
  ' -- "$@"
}

# All of it is one function, called in the last line: a download cut short runs nothing.
main() {
  endpoint='@ENDPOINT@'
  prefix=${PREFIX:-}
  key_file=
  name=
  hardware_id=
  service=
  user=
  # The enrol line gives it by the environment, as the agent takes it.
  fingerprint=${GATEHOUSE_TRUST_FINGERPRINT:-}
  credential=
  run=no
  while [ $# -gt 0 ]; do
    case $1 in
      --run) run=yes ;;
      -h | --help)
        printf 'usage: install.sh --key-file FILE|- [--name NAME] [--hardware-id ID|machine] [--endpoint URL] [--prefix DIR] [--trust-fingerprint KEY] [--credential certificate] [--run]\n'
        printf '       install.sh --service NAME [--user USER] [...] -- COMMAND ARGS...\n'
        exit 0
        ;;
      --)
        shift
        break
        ;;
      --endpoint | --key-file | --name | --hardware-id | --prefix | --service | --user | --trust-fingerprint | --credential)
        [ $# -ge 2 ] || fail 64 "$1 needs a value"
        case $1 in
          --endpoint) endpoint=$2 ;;
          --key-file) key_file=$2 ;;
          --name) name=$2 ;;
          --hardware-id) hardware_id=$2 ;;
          --prefix) prefix=$2 ;;
          --service) service=$2 ;;
          --user) user=$2 ;;
          --trust-fingerprint) fingerprint=$2 ;;
          --credential) credential=$2 ;;
        esac
        shift
        ;;
      *) fail 64 "unknown argument; see install.sh --help" ;;
    esac
    shift
  done
  endpoint=${endpoint%/}
  source=$endpoint
  case $credential in
    '' | newt) ;;
    certificate)
      # That port serves machines alone.
      source='@ENDPOINT@'
      case $endpoint in
        "$source") fail 64 "--credential certificate needs --endpoint, with https:// and the server's DEVICE_TLS_PORT" ;;
        https://*) ;;
        *) fail 64 'a certificate needs an --endpoint with https://' ;;
      esac
      ;;
    *) fail 64 '--credential is newt or certificate' ;;
  esac
  if [ -n "$service" ]; then
    case $service in
      agent | -* | .* | *[!A-Za-z0-9_.-]*) fail 64 "--service takes a name of letters, digits, '_', '.' and '-' that is not 'agent'" ;;
    esac
    [ $# -gt 0 ] || fail 64 '--service needs a command: --service NAME -- COMMAND ARGS...'
  else
    [ $# = 0 ] || fail 64 'a command needs --service NAME'
    [ -z "$user" ] || fail 64 '--user needs --service NAME'
  fi
  case $fingerprint in *[!A-Za-z0-9_.-]*) fail 64 '--trust-fingerprint is what the server prints' ;; esac
  first=${fingerprint%%.*}
  next=${fingerprint#"$first"}
  case ${#first}:${#next} in
    0:0 | 43:0 | 43:44) ;;
    *) fail 64 '--trust-fingerprint is <thumbprint> or <thumbprint>.<next thumbprint>, as the server prints it' ;;
  esac
  check_node

  uid=$(id -u)
  root=$prefix
  if [ -n "$prefix" ]; then
    case $prefix in /*) ;; *) prefix=$PWD/$prefix ;; esac
    root=$prefix
    state=$prefix/var/lib/gatehouse-${service:-agent}
  elif [ "$uid" = 0 ]; then
    prefix=/usr/local
    state=/var/lib/gatehouse-${service:-agent}
  elif [ -n "$service" ]; then
    fail 77 '--service needs root'
  else
    prefix=${HOME:?install: HOME is not set; give --prefix}/.local
    state=$prefix/state/gatehouse-agent
  fi
  command=$prefix/bin/gatehouse-agent

  umask 022
  mkdir -p "$prefix/lib/gatehouse" "$prefix/bin" || fail 73 "$prefix cannot be written"
  (umask 077 && mkdir -p "$state") || fail 73 "$state cannot be written"
  chmod 700 "$state"
  download "$source" "$prefix/lib/gatehouse/gatehouse-agent.mjs"
  write_command "$command" "$prefix/lib/gatehouse/gatehouse-agent.mjs" "${state%/*}/gatehouse-agent"
  if [ -n "$service" ]; then
    key=$root/etc/gatehouse/$service.key
    unit=$root/etc/systemd/system/gatehouse-$service.service
    (umask 077 && mkdir -p "$root/etc/gatehouse") && mkdir -p "$root/etc/systemd/system" || fail 73 "$root/etc cannot be written"
    [ -z "$key_file" ] || keep_key "$key" "$key_file"
    [ -e "$key" ] || key=
    configure "$state/config.json" "$endpoint" "$name" "$hardware_id" '' "$fingerprint" "$credential" "$key"
    write_instance "$unit" "$service" "$prefix/lib/gatehouse/gatehouse-agent.mjs" "$state" "$user" "$key" "$@"
    printf 'The instance %s is installed: %s\n' "$service" "$unit"
    if [ -z "$root" ] && [ -d /run/systemd/system ] && command -v systemctl >/dev/null 2>&1; then
      systemctl daemon-reload
      systemctl enable "gatehouse-$service"
      systemctl restart "gatehouse-$service"
    fi
    printf 'Look at it with: %s --config-file %s bundle status\n' "$command" "$state/config.json"
    exit 0
  fi
  configure "$state/config.json" "$endpoint" "$name" "$hardware_id" "$key_file" "$fingerprint" "$credential" ''
  printf 'Gatehouse agent @VERSION@ is installed: %s\n' "$command"

  if [ "$uid" = 0 ] && [ -d /run/systemd/system ] && command -v systemctl >/dev/null 2>&1; then
    write_service "$command" "$state"
    printf 'It runs as the service gatehouse-agent. Look at it with: %s status\n' "$command"
  elif [ "$run" = yes ]; then
    exec "$command"
  else
    printf 'Run it with: %s\nLook at it with: %s status\n' "$command" "$command"
  fi
}

main "$@"
