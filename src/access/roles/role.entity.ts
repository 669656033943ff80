import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';

@Entity('role')
export class Role {
  @PrimaryGeneratedColumn('identity', { type: 'int8' }) roleId: number;
  @Column('text') orgId: string;
  @Column('text') name: string;
  @Column('text', { nullable: true }) description: string | null;
  /** Holds every action of the organization, those that a later version adds too. */
  @Column('boolean', { default: false }) isAdmin: boolean;
  @Column('text', { array: true, default: () => `'{}'` }) actions: string[];
}
