/**
 * Rules of linux.resources: what no cgroup driver could apply (runtime-spec config-linux.md, "Control groups").
 * What this host's controllers can do is the compiler's question.
 *
 * Pure.
 */
import { append, asPointer } from '../../util/pointer.js';
import { type Rule, rulesOf, type Site } from '../rule.js';
import type {
  LinuxBlockIO,
  LinuxDeviceCgroup,
  LinuxHugepageLimit,
  LinuxPids,
  LinuxRdma,
  LinuxResources,
} from '../types.gen.js';
import { cpuRules } from './cpu.js';
import { memoryRules } from './memory.js';

type On = Site<LinuxResources>;

const rule = rulesOf<LinuxResources>();

function deviceAccess({ access }: LinuxDeviceCgroup, on: On): void {
  if (access === undefined) return;
  if (access === '') on.error('EMPTY', '/access', 'device access field cannot be empty');
  else if (!/^[rwm]+$/.test(access)) on.error('UNKNOWN_VALUE', '/access', 'is not supported (want letters of "rwm")');
}

function deviceNumbers(device: LinuxDeviceCgroup, on: On): void {
  for (const field of ['major', 'minor'] as const) {
    const number = device[field];
    if (number !== undefined && (number < -1n || number > 0xffffffffn)) {
      on.error('OUT_OF_RANGE', `/${field}`, 'out of range -1..4294967295 (-1: all)');
    }
  }
}

function pidsLimit({ limit }: LinuxPids, on: On): void {
  if (limit !== undefined && limit < -1n) on.error('OUT_OF_RANGE', '/limit', 'must be -1 (unlimited) or more');
}

function blockWeights(block: LinuxBlockIO, on: On): void {
  weight(block.weight, '/weight', on);
  weight(block.leafWeight, '/leafWeight', on);
  for (const [index, device] of (block.weightDevice ?? []).entries()) {
    weight(device.weight, `/weightDevice/${index}/weight`, on);
    weight(device.leafWeight, `/weightDevice/${index}/leafWeight`, on);
  }
}

/** 0 is how engines write "unset". */
function weight(value: number | undefined, at: string, on: On): void {
  if (value === undefined || value === 0 || (value >= 10 && value <= 1000)) return;
  on.error('OUT_OF_RANGE', at, 'out of range 10..1000');
}

const BLOCK_LISTS = [
  'weightDevice',
  'throttleReadBpsDevice',
  'throttleWriteBpsDevice',
  'throttleReadIOPSDevice',
  'throttleWriteIOPSDevice',
] as const;

function blockDevices(block: LinuxBlockIO, on: On): void {
  for (const list of BLOCK_LISTS) {
    for (const [index, { major, minor }] of (block[list] ?? []).entries()) {
      if (major < 0n || major > 0xfffn) on.error('OUT_OF_RANGE', `/${list}/${index}/major`, 'out of range 0..4095');
      if (minor < 0n || minor > 0xfffffn)
        on.error('OUT_OF_RANGE', `/${list}/${index}/minor`, 'out of range 0..1048575');
    }
  }
}

function hugepages(limits: readonly LinuxHugepageLimit[], on: On): void {
  const seen = new Set<string>();
  for (const [index, { pageSize }] of limits.entries()) {
    if (!/^[1-9][0-9]*(KB|MB|GB)$/.test(pageSize)) {
      on.error(
        'BAD_PAGE_SIZE',
        `/${index}/pageSize`,
        'is no page size (want a number and KB, MB or GB, such as "2MB")',
      );
    } else if (seen.has(pageSize)) {
      on.error('DUPLICATE', `/${index}/pageSize`, 'is limited more than once');
    }
    seen.add(pageSize);
  }
}

function rdmaLimit({ hcaHandles, hcaObjects }: LinuxRdma, on: On): void {
  if (hcaHandles === undefined && hcaObjects === undefined) on.error('EMPTY', '', 'needs hcaHandles or hcaObjects');
}

function unifiedNames(unified: { readonly [file: string]: string }, on: On): void {
  for (const file of Object.keys(unified)) {
    if (file !== '' && file !== '.' && file !== '..' && !/[/\r\n]/.test(file) && Buffer.byteLength(file) <= 255)
      continue;
    const at = append(asPointer(''), file);
    on.error('BAD_NAME', at, 'invalid file name: unified resource must be a file name (no slashes)', {
      value: undefined,
    });
  }
}

export const resourcesRules: readonly Rule<LinuxResources>[] = [
  rule('/devices/*', deviceAccess),
  rule('/devices/*', deviceNumbers),
  rule('/pids', pidsLimit),
  rule('/blockIO', blockWeights),
  rule('/blockIO', blockDevices),
  rule('/hugepageLimits', hugepages),
  rule('/rdma/*', rdmaLimit),
  rule('/unified', unifiedNames, { shallow: true }),
  ...memoryRules,
  ...cpuRules,
];
