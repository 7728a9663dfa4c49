"""The programs that are measured: one file for each library, started in processes of their own."""
