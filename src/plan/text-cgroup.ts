/**
 * The texts of text.ts for cgroups, whoever makes them.
 *
 * Pure.
 */
import { CGROUP, type Op, type OpName, WRITE } from './op.gen.js';
import { readProperties, type Told } from './unit-text.js';
import { list, notes, show, when } from './words.js';

type CgroupOp = Extract<OpName, `CGROUP_${string}` | `SYSTEMD_${string}` | 'UNSHARE_CGROUP'>;

type Texts = { readonly [K in CgroupOp]: (op: Extract<Op, { op: K }>) => string };

const properties = (told: Told) => readProperties(told).map(({ name, value }) => show(`${name}=${value}`));

export const CGROUP_TEXTS: Texts = {
  CGROUP_CREATE: (op) =>
    `make cgroup ${show(op.path)} below ${show(op.mount)}` +
    notes(op.controllers === '' ? [] : [op.controllers], op.wanted === '' ? [] : [`if allowed ${op.wanted}`]),
  CGROUP_WRITE: (op) =>
    `write ${show(op.value)} to ${show(op.file)} of the cgroup` +
    notes(
      when(op.flags, WRITE.IGNORE_MISSING, 'if it is there'),
      when(op.flags, WRITE.IGNORE_INVALID, 'if it is taken yet'),
    ),
  CGROUP_WRITE_EITHER: (op) =>
    `write ${show(op.value)} to ${show(op.file)} of the cgroup, or else ${show(op.otherValue)} to ${show(op.otherFile)}`,
  CGROUP_DEVICES: (op) => `attach a device filter to the cgroup (${op.program.length / 8} instructions)`,
  CGROUP_ENTER: (op) =>
    `open cgroup ${show(op.path)} ${show(op.sub)} below ${show(op.mount)} (hierarchy ${op.hierarchy})`,
  CGROUP_OPEN: (op) => `open cgroup ${show(op.path)} below ${show(op.mount)}`,
  SYSTEMD_CONNECT: (op) => `connect to systemd: ${list([...op.direct, ...op.bus])}`,
  SYSTEMD_START_UNIT: (op) => `have systemd start ${show(op.unit)}${notes(properties(op))}`,
  SYSTEMD_SET_PROPERTIES: (op) => `tell systemd of ${show(op.unit)}${notes(properties(op))}`,
  SYSTEMD_ATTACH: (op) => `have systemd move the process into ${show(op.unit)}`,
  SYSTEMD_STOP_UNIT: (op) => `have systemd stop ${show(op.unit)}`,
  CGROUP_ADOPT: (op) =>
    `take over cgroup ${show(op.path)} below ${show(op.mount)}${notes(op.controllers === '' ? [] : [op.controllers])}`,
  CGROUP_DELEGATE: (op) => `give the cgroup to uid ${op.uid}`,
  UNSHARE_CGROUP: () => 'make the cgroup namespace',
  CGROUP_CREATE_V1: (op) =>
    `make cgroup ${show(op.path)} below ${show(op.mount)}` +
    notes(
      [`hierarchy ${op.hierarchy}`],
      when(op.flags, CGROUP.INHERIT_CPUSET, "with the parent's CPUs and memory nodes"),
      when(op.flags, CGROUP.FREEZER, 'freezes and kills the container'),
      when(op.flags, CGROUP.ADOPT, 'or take it over from systemd'),
    ),
  CGROUP_OPEN_V1: (op) => `open cgroup ${show(op.path)} below ${show(op.mount)} (hierarchy ${op.hierarchy})`,
  CGROUP_JOIN: (op) => `move the process into the cgroup of hierarchy ${op.hierarchy}`,
  CGROUP_KILL: (op) => `kill what is left in cgroup ${show(op.path)}`,
  CGROUP_KILL_V1: (op) => `kill what is left in cgroup ${show(op.path)} of the freezer`,
  CGROUP_REMOVE: (op) => `remove cgroup ${show(op.path)}${op.hierarchy === 0 ? '' : ` below ${show(op.mount)}`}`,
};
