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

/** Directories with the uppermost first, as overlayfs wants them. */
export function overlayMount(lower: readonly string[], upper?: { readonly fs: string; readonly work: string }): Mount {
  const layers = `lowerdir=${lower.join(':')}`;
  // Renamed directories, metacopy and the inode index would leave marks in the upper directory that no layer can carry.
  const plain = ['index=off', 'metacopy=off', 'redirect_dir=off'];
  const options =
    upper === undefined ? ['ro', layers] : [layers, `upperdir=${upper.fs}`, `workdir=${upper.work}`, ...plain];
  return { type: 'overlay', source: 'overlay', options };
}

export function bindMount(source: string, readOnly: boolean): Mount {
  return { type: 'bind', source, options: readOnly ? ['rbind', 'ro'] : ['rbind', 'rw'] };
}
