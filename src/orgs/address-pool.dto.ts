import { BodyExample, IsIpv4Range, OffsetPagination } from '#platform';

@BodyExample({ cidr: '100.92.0.0/20' })
export class AddressRangeBody {
  /** IPv4 CIDR such as 100.91.0.0/17, from /8 to /32, without host bits. */
  @IsIpv4Range() cidr: string;
}

export class AddressRangeView {
  rangeId: number;
  cidr: string;
  /** Addresses in the range. */
  size: number;
  /** Addresses that nobody has. */
  free: number;
  /** Addresses shown by pick-site-defaults and not used yet; a claim may take them. */
  reserved: number;
}

export class AddressRangeList {
  addressRanges: AddressRangeView[];
  pagination: OffsetPagination;
}
