/** Volumes: what outlives containers. Pure: types. */

export interface VolumeRequest {
  readonly name: string;
  readonly driver: string;
  /** type, device and o: a mount(2) of its own. */
  readonly options: { readonly [name: string]: string };
  readonly labels: { readonly [name: string]: string };
  /** Made for one container, and without a name that anybody chose. */
  readonly anonymous: boolean;
}

export interface VolumeRecord extends VolumeRequest {
  /** RFC 3339. */
  readonly created: string;
}
