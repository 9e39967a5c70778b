/**
 * Rules of the smaller parts of linux: paths, cgroupsPath, personality, memoryPolicy, intelRdt, mountLabel
 * (runtime-spec config-linux.md).
 *
 * Pure.
 */
import { type Rule, rulesOf, type Site } from '../rule.js';
import type { Config, LinuxIntelRdt, LinuxMemoryPolicy, LinuxPersonality, MemoryPolicyMode } from '../types.gen.js';
import { absolutePath, inRoot, kernelLine, numberList } from './common.js';

/** set_mempolicy(2): modes that take no nodes, and modes that need some (PREFERRED and LOCAL take either). */
const NO_NODES: readonly MemoryPolicyMode[] = ['MPOL_DEFAULT', 'MPOL_LOCAL'];
const SOME_NODES: readonly MemoryPolicyMode[] = [
  'MPOL_BIND',
  'MPOL_INTERLEAVE',
  'MPOL_WEIGHTED_INTERLEAVE',
  'MPOL_PREFERRED_MANY',
];

const rule = rulesOf<Config>();

function absolute(path: string, on: Site<Config>): void {
  absolutePath(path, on);
}

/** slice:prefix:name, which only the systemd driver can judge. */
export const isSystemdPath = (path: string): boolean => /^[^/:]*:[^/:]*:[^/:]*$/.test(path);

/** A path below the cgroup mount. */
function cgroupsPath(path: string, on: Site<Config>): void {
  if (path === '' || isSystemdPath(path)) return;
  const parts = path.split('/');
  if (parts.includes('..')) on.error('DOT_DOT', '', 'must not lead through ".."');
  else if (inRoot(path) === '/') on.error('IS_ROOT', '', 'must not be the root of the cgroup hierarchy');
  if (parts.some((part) => Buffer.byteLength(part) > 255)) on.error('TOO_LONG', '', 'has a name longer than 255 bytes');
  if (/[\r\n]/.test(path)) on.error('LINE_BREAK', '', 'must not contain a line break');
}

function personalityFlags({ flags = [] }: LinuxPersonality, on: Site<Config>): void {
  if (flags.length > 0) on.error('UNKNOWN_VALUE', '/flags', 'the spec names no personality flags');
}

function memoryPolicyNodes({ mode, nodes = '' }: LinuxMemoryPolicy, on: Site<Config>): void {
  numberList(nodes, on, '/nodes');
  if (NO_NODES.includes(mode) && nodes !== '')
    on.error('NO_NODES', '/nodes', `${mode}: memory policy mode requires 0 nodes but got some`);
  if (SOME_NODES.includes(mode) && nodes === '') {
    on.error('REQUIRED', '/nodes', `${mode}: memory policy mode requires at least one node but got 0`);
  }
}

/** set_mempolicy(2): the two ways to read the nodes exclude each other, and balancing goes with BIND (and PREFERRED_MANY). */
function memoryPolicyFlags({ mode, nodes = '', flags = [] }: LinuxMemoryPolicy, on: Site<Config>): void {
  if (flags.includes('MPOL_F_STATIC_NODES') && flags.includes('MPOL_F_RELATIVE_NODES')) {
    on.error('CONFLICT', '/flags', 'MPOL_F_STATIC_NODES and MPOL_F_RELATIVE_NODES exclude each other');
  }
  const readsNodes = flags.includes('MPOL_F_STATIC_NODES') || flags.includes('MPOL_F_RELATIVE_NODES');
  if (readsNodes && nodes === '' && (mode === 'MPOL_PREFERRED' || mode === 'MPOL_LOCAL')) {
    on.error('CONFLICT', '/flags', `${mode} without nodes cannot be used with a flag that says how to read nodes`);
  }
  if (flags.includes('MPOL_F_NUMA_BALANCING') && mode !== 'MPOL_BIND' && mode !== 'MPOL_PREFERRED_MANY') {
    on.error('CONFLICT', '/flags', `MPOL_F_NUMA_BALANCING cannot be used with ${mode}`);
  }
}

/** Directories that resctrl has of its own. */
const RESCTRL_NAMES: readonly string[] = ['info', 'mon_data', 'mon_groups'];

function closId({ closID }: LinuxIntelRdt, on: Site<Config>): void {
  if (closID === undefined || closID === '/') return;
  if (closID === '' || closID === '.' || closID === '..' || closID.includes('/') || Buffer.byteLength(closID) > 255) {
    on.error('BAD_NAME', '/closID', 'invalid intelRdt.closID (want a directory name, or "/")');
  } else if (RESCTRL_NAMES.includes(closID)) {
    on.error('BAD_NAME', '/closID', 'invalid intelRdt.closID: resctrl itself has a directory of this name');
  }
}

function schemata(rdt: LinuxIntelRdt, on: Site<Config>): void {
  const lines = ['/l3CacheSchema', '/memBwSchema', ...(rdt.schemata ?? []).map((_, index) => `/schemata/${index}`)];
  const texts = [rdt.l3CacheSchema ?? '', rdt.memBwSchema ?? '', ...(rdt.schemata ?? [])];
  for (const [index, text] of texts.entries()) {
    // l3CacheSchema may hold several lines, one per resource: spec's example joins them by a line break.
    if (index > 0 && /[\r\n]/.test(text)) on.error('LINE_BREAK', lines[index] ?? '', 'must not contain a line break');
  }
  if (rdt.memBwSchema !== undefined && !rdt.memBwSchema.startsWith('MB:')) {
    on.error('BAD_SCHEMA', '/memBwSchema', 'must begin with "MB:"');
  }
}

function oldMonitoring(rdt: LinuxIntelRdt, on: Site<Config>): void {
  for (const field of ['enableCMT', 'enableMBM'] as const) {
    if (rdt[field] === true)
      on.warn('DEPRECATED', `/${field}`, 'is not used since runtime-spec 1.3; use enableMonitoring');
  }
}

export const linuxRules: readonly Rule<Config>[] = [
  rule('/linux/maskedPaths/*', absolute),
  rule('/linux/readonlyPaths/*', absolute),
  rule('/linux/cgroupsPath', cgroupsPath),
  rule('/linux/mountLabel', kernelLine),
  rule('/linux/personality', personalityFlags),
  rule('/linux/memoryPolicy', memoryPolicyNodes),
  rule('/linux/memoryPolicy', memoryPolicyFlags),
  rule('/linux/intelRdt', closId),
  rule('/linux/intelRdt', schemata),
  rule('/linux/intelRdt', oldMonitoring),
];
