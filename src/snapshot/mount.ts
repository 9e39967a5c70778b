/**
 * What a snapshot is to be mounted with; the fields are those of an OCI mount without its destination. This layer never
 * mounts.
 *
 * Pure.
 */
export interface Mount {
  readonly type: 'overlay' | 'bind';
  readonly source: string;
  readonly options: readonly string[];
}

/** Directories with the uppermost first, as overlayfs wants them. ofUser: in a user namespace, with marks in user.*. */
export function overlayMount(
  lower: readonly string[],
  upper: { readonly fs: string; readonly work: string } | undefined,
  ofUser: boolean,
): Mount {
  const layers = `lowerdir=${lower.join(':')}`;
  // Renamed directories, metacopy and the inode index would leave marks in the upper directory that no layer can carry.
  // With userxattr the kernel follows no redirections and refuses to be told so in other words.
  const plain = ['index=off', 'metacopy=off', ...(ofUser ? [] : ['redirect_dir=off'])];
  const marks = ofUser ? ['userxattr'] : [];
  const options =
    upper === undefined ? ['ro', layers] : [layers, `upperdir=${upper.fs}`, `workdir=${upper.work}`, ...plain];
  return { type: 'overlay', source: 'overlay', options: [...options, ...marks] };
}

export function bindMount(source: string, readOnly: boolean): Mount {
  return { type: 'bind', source, options: readOnly ? ['rbind', 'ro'] : ['rbind', 'rw'] };
}
