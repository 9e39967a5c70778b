/**
 * File systems by the number that statfs(2) gives them: linux/magic.h. Pure.
 */
const NAMES: { readonly [magic: string]: string } = {
  '1021994': 'tmpfs',
  '1021997': '9p',
  '137d': 'ext',
  '15013346': 'udf',
  '19800202': 'mqueue',
  '1cd1': 'devpts',
  '2011bab0': 'exfat',
  '2fc12fc1': 'zfs',
  '4d44': 'vfat',
  '52654973': 'reiserfs',
  '58465342': 'xfs',
  '62656572': 'sysfs',
  '63677270': 'cgroup2',
  '6969': 'nfs',
  '65735546': 'fuse',
  '73717368': 'squashfs',
  '794c7630': 'overlay',
  '7461636f': 'ocfs2',
  '858458f6': 'ramfs',
  '9123683e': 'btrfs',
  '9660': 'iso9660',
  '9fa0': 'proc',
  c0ffee: 'hostfs',
  ca451a4e: 'bcachefs',
  e0f5e1e2: 'erofs',
  ef53: 'ext4',
  f2f52010: 'f2fs',
  fe534d42: 'smb2',
  ff534d42: 'cifs',
};

/** magic: hexadecimal, as the executor puts it into the detail of a failure. */
export function fileSystemName(magic: string): string {
  return NAMES[magic] ?? (magic === '' ? 'the file system' : `file system 0x${magic}`);
}
