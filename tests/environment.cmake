# SPDX-License-Identifier: Apache-2.0
# What all tests begin with, whoever starts ctest. Agents and controllers of a test meet on its private
# bus unless it says otherwise: the port that they use by themselves is the machine's.
set(ENV{OMBT_CONTROL} bus)
