"""What the extension costs, as ratios to the least code that does the same job.

`python -m tests.benchmarks` prints all of it. Password hashing is left out on both sides. To add a
benchmark, write one function with `@benchmark` in a module that `__main__` imports.
"""
