"""What tests are made with: rows, forms, pages, servers and fakes. Tests of the product are beside it."""
