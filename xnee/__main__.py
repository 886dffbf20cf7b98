"""``python -m xnee``, the same as ``xnee``."""

from xnee.cli import main

if __name__ == "__main__":
    main()
