import { ApiProperty } from '@nestjs/swagger';

export class ReachableResource {
  resourceId: number;
  name: string;
  /** Host name, or null for a port. */
  domain: string | null;
  enabled: boolean;
  /** A visitor must log in. */
  protected: boolean;
  @ApiProperty({ enum: ['tcp', 'udp'] }) protocol: 'tcp' | 'udp';
}

export class ReachableSiteResource {
  siteResourceId: number;
  name: string;
  destination: string;
  @ApiProperty({ enum: ['host', 'cidr', 'http'] }) mode: 'host' | 'cidr' | 'http';
  enabled: boolean;
  alias: string | null;
}

export class ReachableResources {
  resources: ReachableResource[];
  siteResources: ReachableSiteResource[];
}
