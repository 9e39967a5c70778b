/** The commands, in the order --help lists them. */
import type { Command } from './command.js';
import { check } from './commands/check.js';
import { checkpoint } from './commands/checkpoint.js';
import { completion } from './commands/completion.js';
import { conformance } from './commands/conformance.js';
import { create } from './commands/create.js';
import { daemon } from './commands/daemon.js';
import { remove } from './commands/delete.js';
import { events } from './commands/events.js';
import { exec } from './commands/exec.js';
import { features } from './commands/features.js';
import { help } from './commands/help.js';
import { imageCommit } from './commands/image-commit.js';
import { imageDiff } from './commands/image-diff.js';
import { imageExport } from './commands/image-export.js';
import { imageHistory } from './commands/image-history.js';
import { imageImport } from './commands/image-import.js';
import { imageInspect } from './commands/image-inspect.js';
import { imageLoad } from './commands/image-load.js';
import { imageLs } from './commands/image-ls.js';
import { imageMount } from './commands/image-mount.js';
import { imagePrune } from './commands/image-prune.js';
import { imagePull } from './commands/image-pull.js';
import { imagePush } from './commands/image-push.js';
import { imageRm } from './commands/image-rm.js';
import { imageRun } from './commands/image-run.js';
import { imageSave } from './commands/image-save.js';
import { imageTag } from './commands/image-tag.js';
import { imageUmount } from './commands/image-umount.js';
import { imageVerify } from './commands/image-verify.js';
import { kill } from './commands/kill.js';
import { list } from './commands/list.js';
import { login } from './commands/login.js';
import { logout } from './commands/logout.js';
import { mounts } from './commands/mounts.js';
import { pause } from './commands/pause.js';
import { plan } from './commands/plan.js';
import { ps } from './commands/ps.js';
import { registryPrune } from './commands/registry-prune.js';
import { registryServe } from './commands/registry-serve.js';
import { restore } from './commands/restore.js';
import { resume } from './commands/resume.js';
import { run } from './commands/run.js';
import { spec } from './commands/spec.js';
import { start } from './commands/start.js';
import { state } from './commands/state.js';
import { top } from './commands/top.js';
import { update } from './commands/update.js';
import { version } from './commands/version.js';
import { wait } from './commands/wait.js';

export const COMMANDS: readonly Command[] = [
  check,
  checkpoint,
  completion,
  conformance,
  create,
  daemon,
  remove,
  events,
  exec,
  features,
  help,
  imageCommit,
  imageDiff,
  imageExport,
  imageHistory,
  imageImport,
  imageInspect,
  imageLoad,
  imageLs,
  imageMount,
  imagePrune,
  imagePull,
  imagePush,
  imageRm,
  imageRun,
  imageSave,
  imageTag,
  imageUmount,
  imageVerify,
  kill,
  list,
  login,
  logout,
  mounts,
  pause,
  plan,
  ps,
  registryPrune,
  registryServe,
  restore,
  resume,
  run,
  spec,
  start,
  state,
  top,
  update,
  version,
  wait,
];

export function findCommand(name: string): Command | undefined {
  return COMMANDS.find((command) => command.name === name);
}

/** The first words of commands of two: "image" of "image pull". */
export const GROUPS: readonly string[] = [
  ...new Set(COMMANDS.flatMap(({ name }) => (name.includes(' ') ? [name.slice(0, name.indexOf(' '))] : []))),
];

/** Splits what follows the global options into the name of a command, of one word or two, and its arguments. */
export function splitCommand([first, ...rest]: readonly string[]): readonly [name: string | undefined, argv: string[]] {
  const [second, ...others] = rest;
  if (first === undefined || !GROUPS.includes(first) || second === undefined || second.startsWith('-'))
    return [first, rest];
  return [`${first} ${second}`, others];
}
