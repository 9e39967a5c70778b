/** What the daemon is to be: options and configuration file, checked and joined. */
import { resolve } from 'node:path';
import { UsageError } from '../../errors.js';
import { LEVELS, type Level, type LogFormat } from '../log.js';
import { readConfigFile } from './file.js';
import { count, type Given, list, refuse, text, truth } from './given.js';
import { type Host, parseHost } from './host.js';
import { networkConfig } from './network.js';
import type { OptionName } from './options.js';
import type { Places } from './places.js';

export interface DaemonConfig {
  readonly hosts: readonly Host[];
  readonly dataRoot: string;
  readonly execRoot: string;
  readonly pidFile: string | undefined;
  /** Undefined: docker if there is one. */
  readonly group: string | undefined;
  /** A user's daemon: it is root of a user namespace alone. */
  readonly rootless: boolean;
  readonly logLevel: Level;
  readonly logFormat: LogFormat;
  /** Paths; undefined without --tlsverify. */
  readonly tls: { readonly ca: string; readonly cert: string; readonly key: string } | undefined;
  readonly labels: readonly string[];
  readonly registryMirrors: readonly URL[];
  readonly insecureRegistries: readonly string[];
  readonly storageDriver: 'overlay' | 'copy' | undefined;
  readonly network: {
    readonly bridge: string | undefined;
    readonly bip: string | undefined;
    readonly fixedCidr: string | undefined;
    readonly ip: string | undefined;
    readonly mtu: number | undefined;
    readonly icc: boolean;
    readonly masquerade: boolean;
    /** False: no rules at all. */
    readonly firewall: boolean;
    readonly forwarding: boolean;
    readonly pools: readonly { readonly base: string; readonly size: number }[];
    readonly dns: readonly string[];
    readonly dnsSearch: readonly string[];
    readonly dnsOptions: readonly string[];
  };
  /** Of containers that say nothing. */
  readonly logging: { readonly driver: string | undefined; readonly options: readonly (readonly [string, string])[] };
  readonly containers: {
    readonly ipcMode: 'private' | 'shareable';
    /** undefined: what the host's cgroups suggest. */
    readonly cgroupnsMode: 'private' | 'host' | undefined;
    readonly init: boolean;
    readonly noNewPrivileges: boolean;
  };
  /** Layers of one image. */
  readonly layersAtOnce: { readonly down: number; readonly up: number };
  readonly metrics: { readonly host: string; readonly port: number } | undefined;
  readonly shutdownSeconds: number;
}

export interface ConfigRequest {
  /** Of the command line. */
  readonly flags: Given;
  readonly home: string | undefined;
  /** Where things are unless the command line or the file says so: root's, or a user's. */
  readonly places: Places;
  readonly rootless: boolean;
  /** Makes a path absolute. */
  readonly absolute: (path: string) => string;
}

const LOOPBACK = /^(?:127\.\d+\.\d+\.\d+|localhost|::1)$/;

/** Throws UsageError. */
export function readConfig({ flags, home, places, rootless, absolute }: ConfigRequest): DaemonConfig {
  const path = text(flags, 'config-file');
  const file = readConfigFile(absolute(path ?? places.configFile()), path === undefined, flags);
  const given: Given = { ...file, ...Object.fromEntries(Object.entries(flags).filter(([, value]) => isGiven(value))) };
  const place = (name: OptionName, otherwise: () => string) =>
    directory(name, absolute(text(given, name) ?? otherwise()));
  const hosts = list(given, 'host');
  const parsed = (hosts.length === 0 ? [places.host()] : hosts).map(parseHost);
  const tls = readTls(given, home, absolute);
  if (tls === undefined && parsed.some(({ kind }) => kind === 'tcp')) throw openTcp();
  const pidFile = text(given, 'pidfile');
  if (!truth(given, 'live-restore')) throw noEnd();
  return {
    hosts: parsed,
    dataRoot: place('data-root', places.dataRoot),
    execRoot: checkExecRoot(place('exec-root', places.execRoot)),
    pidFile: pidFile === undefined ? undefined : absolute(pidFile),
    group: text(given, 'group'),
    rootless,
    logLevel: given.debug === true ? 'debug' : oneOf(given, 'log-level', LEVELS, 'info'),
    logFormat: oneOf(given, 'log-format', ['text', 'json'] as const, 'text'),
    tls,
    labels: list(given, 'label').map(label),
    registryMirrors: list(given, 'registry-mirror').map(mirror),
    insecureRegistries: list(given, 'insecure-registry'),
    storageDriver: driver(text(given, 'storage-driver')),
    network: networkConfig(given),
    logging: { driver: text(given, 'log-driver'), options: list(given, 'log-opt').map(option) },
    containers: {
      ipcMode: oneOf(given, 'default-ipc-mode', ['private', 'shareable'] as const, 'private'),
      cgroupnsMode:
        given['default-cgroupns-mode'] === undefined
          ? undefined
          : oneOf(given, 'default-cgroupns-mode', ['private', 'host'] as const, 'private'),
      init: given.init === true,
      noNewPrivileges: given['no-new-privileges'] === true,
    },
    layersAtOnce: {
      down: count(given, 'max-concurrent-downloads', 4, 1, 100),
      up: count(given, 'max-concurrent-uploads', 4, 1, 100),
    },
    metrics: metricsAddress(text(given, 'metrics-addr')),
    shutdownSeconds: count(given, 'shutdown-timeout', 15, 0, 99_999),
  };
}

/** sun_path of unix(7) without its NUL, less "/monitor/", what a monitor's directory is called, and "/socket". */
const MAX_EXEC_ROOT = 107 - '/monitor/exec-0123456789abcdef01234567/socket'.length;

function checkExecRoot(path: string): string {
  const bytes = Buffer.byteLength(path);
  if (bytes <= MAX_EXEC_ROOT) return path;
  const why = `is ${bytes} bytes long, and at most ${MAX_EXEC_ROOT} leave room for the sockets below it`;
  throw refuse('exec-root', path, why, 'the path of a Unix socket has 107 bytes (unix(7)): choose a shorter directory');
}

/** What SIGHUP changes in a daemon that runs. */
export type Reloaded = Pick<
  DaemonConfig,
  'logLevel' | 'labels' | 'registryMirrors' | 'insecureRegistries' | 'layersAtOnce' | 'shutdownSeconds'
>;

/** The same command line with the file as it is now. Throws UsageError: then nothing is to be changed. */
export function readReload(request: ConfigRequest): Reloaded {
  const { logLevel, labels, registryMirrors, insecureRegistries, layersAtOnce, shutdownSeconds } = readConfig(request);
  return { logLevel, labels, registryMirrors, insecureRegistries, layersAtOnce, shutdownSeconds };
}

const isGiven = (value: unknown): boolean =>
  Array.isArray(value) ? value.length > 0 : value !== undefined && value !== false;

function oneOf<T extends string>(given: Given, name: OptionName, allowed: readonly T[], otherwise: T): T {
  const value = text(given, name) ?? otherwise;
  const found = allowed.find((one) => one === value);
  if (found !== undefined) return found;
  throw refuse(name, value, `is none of ${allowed.join(', ')}`);
}

function directory(name: OptionName, path: string): string {
  const clean = resolve(path);
  if (clean === '/') throw refuse(name, path, 'must not be the root directory');
  return clean;
}

function option(value: string): readonly [string, string] {
  const mark = value.indexOf('=');
  if (mark > 0) return [value.slice(0, mark), value.slice(mark + 1)];
  throw refuse('log-opt', value, 'is not NAME=VALUE');
}

function label(value: string): string {
  if (/^[^=\s]+(?:=.*)?$/.test(value)) return value;
  throw refuse('label', value, 'is not KEY=VALUE');
}

function mirror(value: string): URL {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  const plain = url !== undefined && url.username === '' && url.search === '' && url.hash === '';
  if (plain && ['http:', 'https:'].includes(url.protocol)) return url;
  throw refuse('registry-mirror', value, 'is not the URL of a registry: http://HOST or https://HOST');
}

const DRIVERS: { readonly [name: string]: 'overlay' | 'copy' } = {
  overlay: 'overlay',
  overlay2: 'overlay',
  copy: 'copy',
  vfs: 'copy',
};

function driver(value: string | undefined): DaemonConfig['storageDriver'] {
  if (value === undefined) return undefined;
  const found = Object.hasOwn(DRIVERS, value) ? DRIVERS[value] : undefined;
  if (found !== undefined) return found;
  throw refuse('storage-driver', value, `is none of ${Object.keys(DRIVERS).join(', ')}`);
}

/** Metrics have no TLS: they are for somebody on this machine, or for a proxy there. */
function metricsAddress(value: string | undefined): DaemonConfig['metrics'] {
  if (value === undefined) return undefined;
  const match = /^(?:\[([0-9a-fA-F:]+)\]|([^:]+)):(\d{1,5})$/.exec(value);
  const [host, port] = [match?.[1] ?? match?.[2] ?? '', Number(match?.[3])];
  if (!(port >= 0 && port <= 65_535)) throw refuse('metrics-addr', value, 'is not HOST:PORT');
  if (LOOPBACK.test(host)) return { host, port };
  throw refuse('metrics-addr', value, 'is not on loopback', 'metrics have neither TLS nor a password');
}

function readTls(given: Given, home: string | undefined, absolute: (path: string) => string): DaemonConfig['tls'] {
  if (given.tlsverify !== true) {
    if (given.tls !== true) return undefined;
    throw new UsageError('--tls without --tlsverify lets in everybody', '--tls', 'give --tlsverify and --tlscacert');
  }
  const at = (name: 'tlscacert' | 'tlscert' | 'tlskey', usual: string): string => {
    const path = text(given, name) ?? (home === undefined ? undefined : `${home}/.docker/${usual}`);
    if (path === undefined) throw new UsageError(`--tlsverify needs --${name}`, `--${name}`);
    return absolute(path);
  };
  return { ca: at('tlscacert', 'ca.pem'), cert: at('tlscert', 'cert.pem'), key: at('tlskey', 'key.pem') };
}

function noEnd(): UsageError {
  return new UsageError(
    '--live-restore: false is refused: containers always go on while the daemon does not run',
    '--live-restore',
    'leave it out; to stop containers with the machine, stop them before the daemon',
  );
}

function openTcp(): UsageError {
  return new UsageError(
    '--host: tcp:// without --tlsverify is refused: whoever reaches the port would be root',
    '--host',
    'give --tlsverify, --tlscacert, --tlscert and --tlskey, or listen on a Unix socket',
  );
}
