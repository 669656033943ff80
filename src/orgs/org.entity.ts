import { Column, Entity, PrimaryColumn } from 'typeorm';

/** The tenant; everything below belongs to one. */
@Entity('org')
export class Org {
  @PrimaryColumn('text') orgId: string;
  @Column('text') name: string;
  @Column('cidr') subnet: string;
  @Column('cidr') utilitySubnet: string;
  @Column('boolean', { default: false }) requireTwoFactor: boolean;
  @Column('int', { nullable: true }) maxSessionLengthHours: number | null;
  @Column('int', { nullable: true }) passwordExpiryDays: number | null;
  @Column('int', { default: 7 }) logRetentionDaysRequest: number;
  @Column('int', { default: 0 }) logRetentionDaysAccess: number;
  @Column('int', { default: 0 }) logRetentionDaysAction: number;
  @Column('int', { default: 0 }) logRetentionDaysConnection: number;
  @Column('timestamptz', { default: () => 'now()' }) createdAt: Date;
  @Column({ type: 'timestamptz', nullable: true, insert: false, update: false }) claimsPausedAt: Date | null;
  @Column({ type: 'text', nullable: true, insert: false, update: false }) claimsPausedBy: string | null;
  @Column({ type: 'timestamptz', nullable: true, insert: false, update: false }) closedAt: Date | null;
  @Column({ type: 'text', nullable: true, insert: false, update: false }) closedBy: string | null;
  /** Counted by a trigger. */
  @Column({ type: 'int8', default: 1, insert: false, update: false }) version: number;
}
