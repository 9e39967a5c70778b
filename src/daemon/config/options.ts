/**
 * The options of `tsrun daemon`, which have dockerd's names where they mean the same. All but --config-file and --validate
 * may stand in the configuration file too, lists under their plural. truth: a text that is true or false, since what is
 * not said is not false.
 *
 * Pure: data; the command line loads it without the rest of the daemon.
 */
export const DAEMON_OPTIONS = {
  host: {
    kind: 'list',
    short: 'H',
    help: 'where to listen: unix://PATH, tcp://HOST:PORT (with --tlsverify), or fd:// (of systemd)',
  },
  'data-root': {
    kind: 'text',
    help: 'where images, containers and volumes lie',
    shownDefault: '/var/lib/tsrun, or $XDG_DATA_HOME/tsrun',
  },
  'exec-root': {
    kind: 'text',
    help: 'state of what runs',
    shownDefault: '/run/tsrun-daemon, or $XDG_RUNTIME_DIR/tsrun-daemon',
  },
  'config-file': {
    kind: 'text',
    help: 'JSON file with the same options',
    shownDefault: '/etc/tsrun/daemon.json, or below $XDG_CONFIG_HOME',
  },
  validate: { kind: 'flag', help: 'check options and configuration file, and end' },
  pidfile: { kind: 'text', short: 'p', help: 'file to write the process id to' },
  group: {
    kind: 'text',
    short: 'G',
    help: 'group that may use Unix sockets',
    shownDefault: 'docker, or root without it',
  },
  debug: { kind: 'flag', short: 'D', help: 'the same as --log-level debug' },
  'log-level': { kind: 'text', short: 'l', help: "'debug', 'info', 'warn', 'error' or 'fatal'", shownDefault: 'info' },
  'log-format': { kind: 'text', help: "'text' or 'json'", shownDefault: 'text' },
  tls: { kind: 'flag', help: 'refused without --tlsverify: whoever may speak to the daemon is root' },
  tlsverify: { kind: 'flag', help: 'speak TLS over TCP, with clients that --tlscacert has signed alone' },
  tlscacert: { kind: 'text', help: 'certificates that sign those of clients', shownDefault: '~/.docker/ca.pem' },
  tlscert: { kind: 'text', help: 'certificate of the daemon', shownDefault: '~/.docker/cert.pem' },
  tlskey: { kind: 'text', help: 'key of the certificate', shownDefault: '~/.docker/key.pem' },
  label: { kind: 'list', help: 'KEY=VALUE, shown by docker info; may be repeated' },
  'registry-mirror': { kind: 'list', help: 'URL of a mirror of docker.io, asked first; may be repeated' },
  'insecure-registry': {
    kind: 'list',
    help: 'HOST[:PORT] or network (10.0.0.0/8) of registries whose certificate is not checked',
  },
  'storage-driver': {
    kind: 'text',
    short: 's',
    help: "'overlay' (or 'overlay2') or 'copy' (or 'vfs')",
    shownDefault: 'overlay where overlayfs can be used',
  },
  bridge: { kind: 'text', short: 'b', help: "name of the default bridge, or 'none'", shownDefault: 'docker0' },
  bip: { kind: 'text', help: 'address and prefix length of the default bridge, such as 172.26.0.1/16' },
  'fixed-cidr': { kind: 'text', help: 'part of the network of --bip that containers get addresses of' },
  mtu: { kind: 'text', help: 'MTU of the default bridge', shownDefault: '1500' },
  icc: { kind: 'text', truth: true, help: "'false': containers of the default bridge do not reach each other" },
  'ip-masq': {
    kind: 'text',
    truth: true,
    help: "'false': containers of the default bridge keep their address outside",
  },
  iptables: {
    kind: 'text',
    truth: true,
    help: "'false': no rules at all: no way out, and published ports only through the daemon",
  },
  'ip-forward': { kind: 'text', truth: true, help: "'false': forwarding of the host is left as it is" },
  'default-address-pool': {
    kind: 'list',
    help: 'base=10.0.0.0/8,size=24: where networks are taken from that name no subnet; may be repeated',
  },
  ip: { kind: 'text', help: 'address that ports are published on which name none', shownDefault: 'all' },
  dns: { kind: 'list', help: 'DNS server of containers; may be repeated' },
  'dns-search': { kind: 'list', help: 'domain that containers search; may be repeated' },
  'dns-opt': { kind: 'list', help: 'resolver option of containers; may be repeated' },
  'live-restore': {
    kind: 'text',
    truth: true,
    help: "'true' alone: containers always go on while the daemon does not run",
  },
  'max-concurrent-downloads': {
    kind: 'text',
    help: 'layers of an image that are fetched at a time',
    shownDefault: '4',
  },
  'max-concurrent-uploads': { kind: 'text', help: 'layers of an image that are sent at a time', shownDefault: '4' },
  'log-driver': { kind: 'text', help: 'log driver of containers that name none', shownDefault: 'json-file' },
  'log-opt': { kind: 'list', help: 'NAME=VALUE for --log-driver; may be repeated' },
  'default-ipc-mode': {
    kind: 'text',
    help: "IPC namespace of containers: 'private' or 'shareable'",
    shownDefault: 'private',
  },
  'default-cgroupns-mode': {
    kind: 'text',
    help: "cgroup namespace of containers: 'private' or 'host'",
    shownDefault: 'private with cgroup v2 alone',
  },
  init: { kind: 'flag', help: 'an init in containers that do not say otherwise' },
  'no-new-privileges': { kind: 'flag', help: 'no-new-privileges for containers that do not say otherwise' },
  'metrics-addr': { kind: 'text', help: 'HOST:PORT to serve Prometheus metrics on; HOST on loopback' },
  'shutdown-timeout': { kind: 'text', help: 'seconds that the end of the daemon may take', shownDefault: '15' },
} as const;

export type OptionName = keyof typeof DAEMON_OPTIONS;

/** Names in the configuration file that differ. */
export const FILE_KEYS: { readonly [name in OptionName]?: string } = {
  host: 'hosts',
  label: 'labels',
  'registry-mirror': 'registry-mirrors',
  'insecure-registry': 'insecure-registries',
  'dns-opt': 'dns-opts',
  'default-address-pool': 'default-address-pools',
  'log-opt': 'log-opts',
};

/** What a SIGHUP reads anew: the same that dockerd does, as far as it is ours. */
export const RELOADED = [
  ...(['debug', 'log-level', 'label', 'registry-mirror', 'insecure-registry', 'shutdown-timeout'] as const),
  ...(['max-concurrent-downloads', 'max-concurrent-uploads', 'live-restore'] as const),
] satisfies readonly OptionName[];

/** Not in the file. */
export const ONLY_FLAGS: readonly OptionName[] = ['config-file', 'validate'];
