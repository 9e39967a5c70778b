/** What the command lines of checkpoint and restore have in common, and how it reads in CRIU's options. */
import { existsSync } from 'node:fs';
import type { ExternalMount } from '../compile/restore.js';
import { CGROUP_MODE, type CgroupMode, type CriuOptions, EMPTY_NETWORK } from '../criu/messages.js';
import { TsrunError, UsageError } from '../errors.js';
import type { HostFacts } from '../host/facts.js';
import { SLOT } from '../plan/op.gen.js';
import type { ValidSpec } from '../spec/valid.js';
import { quote } from '../util/quote.js';
import { didYouMean } from '../util/suggest.js';

export interface CriuChoices {
  /** Absolute. */
  readonly imagePath: string;
  readonly workPath: string;
  readonly tcpEstablished: boolean;
  readonly extUnixSk: boolean;
  readonly shellJob: boolean;
  readonly fileLocks: boolean;
  readonly lazyPages: boolean;
  readonly autoDedup: boolean;
  readonly manageCgroupsMode: string | undefined;
  readonly emptyNs: readonly string[];
}

export function refuseRootless(facts: HostFacts, verb: string): void {
  if (facts.euid === 0 && !facts.inUserNamespace) return;
  throw new TsrunError('HOST_UNSUPPORTED', `cannot ${verb} a rootless container: CRIU needs the host's root`);
}

function cgroupMode(mode: string): number {
  if (Object.hasOwn(CGROUP_MODE, mode)) return CGROUP_MODE[mode as CgroupMode];
  const flag = '--manage-cgroups-mode';
  const known = Object.keys(CGROUP_MODE);
  const hint = didYouMean(mode, known) ?? `one of ${known.join(', ')}`;
  throw new UsageError(`${flag}: unknown mode ${quote(mode, 64)}`, flag, hint);
}

function emptyNamespaces(names: readonly string[]): number {
  for (const name of names) {
    if (name === 'network') continue;
    throw new UsageError(`--empty-ns: ${quote(name, 64)} is not supported, only "network"`, '--empty-ns');
  }
  return names.length > 0 ? EMPTY_NETWORK : 0;
}

export const CONFIG_ANNOTATION = 'org.criu.config';
const DEFAULT_CONFIG = '/etc/criu/runc.conf';

/** The annotation's file, or the one that administrators of runc already have. */
function configFile(spec: ValidSpec): string | undefined {
  const asked = spec.annotations?.[CONFIG_ANNOTATION];
  if (asked !== undefined && asked !== '') return asked;
  return existsSync(DEFAULT_CONFIG) ? DEFAULT_CONFIG : undefined;
}

/** -v4: most of what CRIU finds out; only read when it fails. */
const LOG_LEVEL = 4;

export function commonOptions(
  choices: CriuChoices,
  spec: ValidSpec,
): Omit<CriuOptions, 'imagesDirectory' | 'workDirectory'> {
  const config = configFile(spec);
  const empty = emptyNamespaces(choices.emptyNs);
  const mode = choices.manageCgroupsMode;
  return {
    logLevel: LOG_LEVEL,
    notifyScripts: true,
    evasiveDevices: true,
    orphanPtsMaster: true,
    manageCgroups: true,
    tcpEstablished: choices.tcpEstablished,
    externalUnixSockets: choices.extUnixSk,
    shellJob: choices.shellJob,
    fileLocks: choices.fileLocks,
    lazyPages: choices.lazyPages,
    autoDedup: choices.autoDedup,
    ...(mode === undefined ? {} : { cgroupMode: cgroupMode(mode) }),
    ...(empty === 0 ? {} : { emptyNamespaces: empty }),
    ...(config === undefined ? {} : { configFile: config }),
  };
}

/** As CRIU takes them on restore; on dump only the keys count. */
export function outsideMounts(external: readonly ExternalMount[], id: string): { key: string; value: string }[] {
  return external.map(({ dest, source }) => ({ key: dest, value: source.replaceAll(SLOT.id, id) }));
}

/** Namespaces of others that the container joined by path: not saved, and given again on restore. */
export const JOINED = [
  { type: 'network', file: 'net', key: 'extRootNetNS' },
  { type: 'pid', file: 'pid', key: 'extRootPidNS' },
] as const;

export function joinedNamespaces(spec: ValidSpec): { file: 'net' | 'pid'; key: string; path: string }[] {
  return JOINED.flatMap(({ type, file, key }) => {
    const path = spec.linux?.namespaces?.find((namespace) => namespace.type === type)?.path ?? '';
    return path === '' ? [] : [{ file, key, path }];
  });
}
