import { task } from 'hardhat/config'

task('accounts', async () => 0)
