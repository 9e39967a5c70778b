/**
 * An image's config and what the command line says become the config.json of a bundle; what neither says is as dockerd
 * has it. image-spec conversion.md.
 *
 * Pure.
 */
import { TsrunError, UsageError } from '../errors.js';
import type { ImageConfig } from '../image/config.js';
import { OCI_VERSION } from '../spec/default.js';
import type { Config, Hook, Linux, LinuxNamespace, Mount, Process } from '../spec/types.gen.js';
import { quote } from '../util/quote.js';
import {
  DEFAULT_CAPABILITIES,
  DEFAULT_DEVICES,
  DEFAULT_MASKED_PATHS,
  DEFAULT_MOUNTS,
  DEFAULT_PATH,
  DEFAULT_READONLY_PATHS,
  NETWORK_SYSCTLS,
  RESERVED_LABELS,
} from './container-defaults.js';
import { defaultSeccomp } from './seccomp.js';
import type { Account } from './users.js';

export interface RunChoices {
  readonly id: string;
  /** What stands behind the image; empty: the image's own. */
  readonly args: readonly string[];
  /** undefined: the image's; empty text: none. */
  readonly entrypoint: string | undefined;
  /** NAME=value */
  readonly env: readonly string[];
  readonly workingDir: string | undefined;
  readonly terminal: boolean;
  readonly readOnly: boolean;
  readonly hostNetwork: boolean;
  readonly hostname: string;
  /** Labels of the command line; the image's are added under them. */
  readonly labels: { readonly [key: string]: string };
  readonly mounts: readonly Mount[];
  readonly poststop: readonly Hook[];
  /** undefined: none. */
  readonly apparmor: string | undefined;
}

export interface HostTraits {
  readonly cgroupNamespace: boolean;
  /** node's process.arch */
  readonly arch: string;
}

export interface Converted {
  readonly config: Config;
  /** Labels that were left out. */
  readonly dropped: readonly string[];
}

/** Throws TsrunError IMAGE_INVALID, UsageError. */
export function imageSpec(image: ImageConfig, account: Account, choices: RunChoices, host: HostTraits): Converted {
  const entries = Object.entries(image.config.labels);
  const kept = entries.filter(([key]) => key !== '' && !RESERVED_LABELS.test(key));
  const { poststop } = choices;
  const stopSignal = image.config.stopSignal === '' ? [] : [[STOP_SIGNAL, image.config.stopSignal] as const];
  return {
    config: {
      ociVersion: OCI_VERSION,
      process: processOf(image, account, choices),
      root: { path: 'rootfs', readonly: choices.readOnly },
      hostname: choices.hostname,
      mounts: [...DEFAULT_MOUNTS, ...choices.mounts],
      annotations: { ...Object.fromEntries([...kept, ...stopSignal]), ...choices.labels },
      ...(poststop.length === 0 ? {} : { hooks: { poststop } }),
      linux: linuxOf(choices, host),
    },
    dropped: entries.filter(([key]) => RESERVED_LABELS.test(key)).map(([key]) => key),
  };
}

/** conversion.md names it so. */
const STOP_SIGNAL = 'org.opencontainers.image.stopSignal';

function processOf(image: ImageConfig, account: Account, choices: RunChoices): Process {
  const effective = account.uid === 0 ? DEFAULT_CAPABILITIES : [];
  return {
    terminal: choices.terminal,
    user: { uid: account.uid, gid: account.gid, additionalGids: account.additionalGids, umask: 0o022 },
    args: argsOf(image, choices),
    env: environmentOf(image, account, choices),
    cwd: workingDirOf(image, choices),
    // Of another user than root the sets are emptied by execve(2) anyway; the bounding set is what setuid programs get.
    capabilities: { bounding: DEFAULT_CAPABILITIES, effective, permitted: effective },
    oomScoreAdj: 0,
    ...(choices.apparmor === undefined ? {} : { apparmorProfile: choices.apparmor }),
  };
}

/** A new entrypoint takes the image's command away too: what would it do with it. */
function argsOf({ config }: ImageConfig, { args, entrypoint }: RunChoices): string[] {
  const own = entrypoint === undefined ? config.entrypoint : entrypoint === '' ? [] : [entrypoint];
  const command = args.length > 0 || entrypoint !== undefined ? args : config.cmd;
  const all = [...own, ...command];
  if (all.length > 0) return all;
  throw new UsageError('the image has neither entrypoint nor command', undefined, 'name a program behind the image');
}

/** Later ones replace earlier ones of the same name, where these stand. */
function environmentOf({ config }: ImageConfig, account: Account, choices: RunChoices): string[] {
  const defaults = [DEFAULT_PATH, `HOSTNAME=${choices.hostname}`, `HOME=${account.home}`];
  const found = new Map<string, string>();
  for (const entry of [...defaults, ...(choices.terminal ? ['TERM=xterm'] : []), ...config.env, ...choices.env]) {
    found.set(entry.slice(0, entry.indexOf('=')), entry);
  }
  return [...found.values()];
}

function workingDirOf({ config }: ImageConfig, { workingDir }: RunChoices): string {
  const asked = workingDir ?? (config.workingDir === '' ? '/' : config.workingDir);
  if (asked.startsWith('/')) return asked;
  if (workingDir !== undefined) throw new UsageError(`--workdir: ${quote(asked)} is not an absolute path`, '--workdir');
  throw new TsrunError('IMAGE_INVALID', `image config: WorkingDir: ${quote(asked)} is not an absolute path`, {
    hint: 'name another one with --workdir',
  });
}

function linuxOf({ hostNetwork }: RunChoices, { cgroupNamespace, arch }: HostTraits): Linux {
  const namespaces: LinuxNamespace[] = [{ type: 'mount' }, { type: 'uts' }, { type: 'pid' }, { type: 'ipc' }];
  if (!hostNetwork) namespaces.push({ type: 'network' });
  if (cgroupNamespace) namespaces.push({ type: 'cgroup' });
  return {
    namespaces,
    maskedPaths: DEFAULT_MASKED_PATHS,
    readonlyPaths: DEFAULT_READONLY_PATHS,
    resources: { devices: DEFAULT_DEVICES },
    seccomp: defaultSeccomp(DEFAULT_CAPABILITIES, arch),
    ...(hostNetwork ? {} : { sysctl: NETWORK_SYSCTLS }),
  };
}
