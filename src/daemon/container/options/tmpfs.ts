/** Options of --tmpfs: those that dockerd lets through to mount(2). Pure. */
import { refuse } from './refuse.js';

const FLAGS: readonly string[] = [
  ...['ro', 'rw', 'nodev', 'dev', 'noexec', 'exec', 'nosuid', 'suid', 'noatime', 'atime', 'nodiratime', 'diratime'],
  ...['relatime', 'norelatime', 'strictatime', 'nostrictatime', 'sync', 'async', 'dirsync', 'mand', 'nomand'],
  ...['private', 'rprivate', 'shared', 'rshared', 'slave', 'rslave', 'unbindable', 'runbindable', 'defaults'],
];
const VALUES: { readonly [name: string]: RegExp } = {
  size: /^\d+[kmgKMG%]?$/,
  nr_inodes: /^\d+[kmgKMG]?$/,
  nr_blocks: /^\d+[kmgKMG]?$/,
  mode: /^[0-7]{1,4}$/,
  uid: /^\d{1,10}$/,
  gid: /^\d{1,10}$/,
  mpol: /^[\w=:,-]+$/,
};

export function checkTmpfs(path: string, options: string): void {
  for (const word of options.split(',').filter((one) => one !== '')) {
    const [name = '', ...value] = word.split('=');
    const isFlag = value.length === 0 && FLAGS.includes(word);
    if (!isFlag && VALUES[name]?.test(value.join('=')) !== true)
      throw refuse(`invalid tmpfs option "${word}" (Tmpfs: ${path})`);
  }
}
