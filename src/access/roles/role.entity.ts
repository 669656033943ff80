import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';
import type { RolePreset } from '#contracts';

export const SUDO_MODES = ['none', 'full', 'commands'] as const;

@Entity('role')
export class Role {
  @PrimaryGeneratedColumn('identity', { type: 'int8' }) roleId: number;
  @Column('text') orgId: string;
  @Column('text') name: string;
  /** What makes it unique in its organization: `nameKey` of the name. */
  @Column('text') nameKey: string;
  @Column('text', { nullable: true }) description: string | null;
  /** Holds every action of the organization, those that a later version adds too. */
  @Column('boolean', { default: false }) isAdmin: boolean;
  /** Holds what the server's version decides for it, and no `actions` of its own (docs/adr/0076). */
  @Column('text', { nullable: true }) preset: RolePreset | null;
  @Column('text', { array: true, default: () => `'{}'` }) actions: string[];
  @Column('boolean', { default: false }) requireDeviceApproval: boolean;
  @Column('boolean', { default: false }) allowSsh: boolean;
  @Column('text', { default: 'none' }) sshSudoMode: (typeof SUDO_MODES)[number];
  @Column('text', { array: true, default: () => `'{}'` }) sshSudoCommands: string[];
  @Column('boolean', { default: true }) sshCreateHomeDir: boolean;
  @Column('text', { array: true, default: () => `'{}'` }) sshUnixGroups: string[];
  /** Counted by a trigger. */
  @Column({ type: 'int8', default: 1, insert: false, update: false }) version: number;
}
